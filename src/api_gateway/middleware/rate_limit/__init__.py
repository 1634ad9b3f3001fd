"""Rate limit: the algorithms of `rate_limiting/` as a layer of HTTP.

Reading order: `rate_limit_middleware.py`, `policy.py` (a limit, and to whom it applies), `keys.py` (who is counted
together), `headers.py` (what clients are told), `facts.py` (what an X-ray shows), `metrics.py`.
"""
