"""Columns, files, signals and versions: what NumPy, Python and the OS lack."""
