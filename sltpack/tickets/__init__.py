"""Tickets: a source network, its freezing and its supermask, as one object and as a file."""
