"""The executor on a cluster of Ray."""
