"""Many runs from one plan: its points, what they will cost, side by side on this machine, and what came out."""
