"""The source network: streams of random bits, weights, layer ratios and freezing, all from two seeds."""
