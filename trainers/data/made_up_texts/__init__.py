"""Made-up sentences with tags; see README.md in this directory."""
