"""How things are shown: sentences, numbers, rows. The templates only print."""
