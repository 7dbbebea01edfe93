"""Untrusted SQL: each statement runs in a process of its own, beside files of one organization."""
