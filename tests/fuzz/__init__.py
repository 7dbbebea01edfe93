"""Long random attacks on everything that reads bytes from outside."""
