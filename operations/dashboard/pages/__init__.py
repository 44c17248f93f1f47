"""The pages, one file each. Each reads a fixed number of sets of rows, whatever the tables hold."""
