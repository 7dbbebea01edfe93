"""Speed, memory and growth of ours beside other tools; `python -m benchmarks` runs it all."""
