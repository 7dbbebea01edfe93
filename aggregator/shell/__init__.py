"""Devices over SSH: how they are, what they log, and a terminal on them."""
