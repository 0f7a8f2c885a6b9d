"""Answers of an export, from a directory or a server."""
