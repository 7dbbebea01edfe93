"""From labelled captures to a signed model bundle."""
