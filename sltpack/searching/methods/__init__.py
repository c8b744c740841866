"""What a run moves and how: one file for each method."""
