"""One page from many runs: what they have in common, what varies, and what came out, in pictures and tables."""
