"""The way to the centre: a durable outbox, its publisher, and the commands that come back."""
