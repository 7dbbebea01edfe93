"""What runs in a process of its own to be measured; the peers' run on the peers' Python."""
