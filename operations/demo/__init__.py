"""The demo data: what it shows (``company``) and how it is written (``making``)."""
