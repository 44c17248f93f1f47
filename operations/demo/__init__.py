"""The demo data: what it shows (``company``, ``contents``) and how it is written (``making``,
``filling``)."""
