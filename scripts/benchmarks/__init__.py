"""What `scripts/benchmark.py` measures: how it is measured, beside what, one question a file, and the page of it."""
