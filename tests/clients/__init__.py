"""What drives the official clients, and a connector as published programs are written."""
