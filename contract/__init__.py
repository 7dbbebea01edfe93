"""What device and centre agree on: words, messages, topics and their encoding. No I/O."""
