"""Debian package descriptions by section; see README.md in this directory."""
