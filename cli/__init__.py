"""The command line of sltpack: one short file for each command."""
