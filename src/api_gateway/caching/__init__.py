"""Answers kept and used again: the rules of a shared cache (RFC 9111), and where it keeps them.

Reading order: `decision.py` and `after_answer.py` (the whole, in order; `plain_answer.py` is its short way), then the
rules they name: `cache_control.py`, `freshness.py`, `storability.py`, `cache_key.py`, `vary.py`, `validation.py`,
`stale.py`, `invalidation.py`, `early_refresh.py`, `cache_status.py`; `memory_store.py` over `s3_fifo.py` and
`size_in_memory.py`, and `redis/`. Traffic meets them in `middleware/cache/cache_middleware.py`.
"""
