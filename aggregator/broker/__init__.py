"""A broker of our own, for where none is configured."""
