"""How a host is cut off: desired state in, what the kernel says out."""
