"""How fast it is, beside baselines in the same run: ``make bench``. See docs/performance.md."""
