"""Measurements of this gateway beside others: `make bench`, or `python -m benchmarks`."""
