"""Tickets and trained networks at work: on a data set or on single images."""
