"""The first 10,000 digits of MNIST; see README.md in this directory."""
