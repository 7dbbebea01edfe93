"""A lab in network namespaces that records labelled captures of a home under attack."""
