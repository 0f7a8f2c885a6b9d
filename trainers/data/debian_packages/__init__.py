"""Debian package descriptions by section; see README.md beside this file."""
