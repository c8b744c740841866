"""The supermask, one bit for each searched weight, and the codecs that write it."""
