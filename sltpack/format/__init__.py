"""The `.slt` file, by the standard library alone: its records, parsing, payload, container, and where its bits go."""
