"""From the flows of a window to counters per host, one module per family."""
