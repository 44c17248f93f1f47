"""System checks: unsafe or impossible combinations of settings, refused at start."""
