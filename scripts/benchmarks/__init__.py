"""What `scripts/benchmark.py` measures, one question a file; rounds, canary and floors are what they share."""
