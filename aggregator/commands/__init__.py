"""Commands to devices: signed, kept, sent until the device answers, moved on by its word alone."""
