"""A moment in full: to the second and with its zone, also in the admin."""

DATETIME_FORMAT = "j M Y, H:i:s T"
