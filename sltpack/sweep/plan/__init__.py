"""The plan of a sweep: its file, its points, what each asks for."""
