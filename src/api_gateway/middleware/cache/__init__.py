"""Cache: answers that are kept and used again. The rules are `caching/`; here they are carried out.

Reading order: `cache_middleware.py` (the way of a request), `keeper.py` (the store, as it may fail), `origin.py` (the
service is asked), `flight.py` (who asks for the same waits), `delivery.py`, `fill.py` and `buffer.py` (a body goes to
its client and is kept), `refresh.py` and `background.py` (what goes on beside requests), `purge.py`, `warming.py`.
"""
