"""A work directory: its files, and what makes two runs the same run."""
