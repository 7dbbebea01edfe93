"""The edge: frames in, verdicts, alerts and isolations out."""
