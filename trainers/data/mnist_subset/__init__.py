"""The first 10,000 digits of MNIST; see README.md beside this file."""
