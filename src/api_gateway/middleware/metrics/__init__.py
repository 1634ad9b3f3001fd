"""Metrics: what Prometheus may ask for.

Reading order: `metrics_middleware.py`, which counts requests; then one file for each part that keeps counts of its own.
Label values come from the configuration, never from clients, so their number is bounded. Caches, limits and
transforms have theirs beside them.
"""
