"""Checkpoints of other codes: one file for each kind, one table (`kinds.py`); none of their code is used or run."""
