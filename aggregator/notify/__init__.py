"""Telling people elsewhere: which alerts, to whom, how often, and how it gets there."""
