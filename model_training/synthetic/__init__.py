"""Scenes made of packets by the thousand: what the lab would record, with more variety and no waiting."""
