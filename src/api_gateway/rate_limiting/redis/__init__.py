"""Limits shared by several gateways: the same algorithms, as Lua in a Redis or Valkey server.

    pip install "api-gateway[redis]"

Reading order: `redis_store.py` (the whole, in the order of a request); `clock.lua`, `prelude.lua`, one file for
each algorithm, beside its Python original, `one.lua` and `several.lua`; `numbers.py` (what doubles cost); `keys.py`;
`scripts.py`; `redis_link/` (the connection, and outages) and `fallback.py` (what then); `places.py` (what is held);
`lease_store.py` (fewer round trips, at a price).

Importing this brings the redis library, which takes half a second: who needs it imports it then.
"""

from api_gateway.rate_limiting.redis.lease_store import LeaseStore
from api_gateway.rate_limiting.redis.redis_store import RedisStore
from api_gateway.redis_link.request import StoreFailed

__all__ = ["LeaseStore", "RedisStore", "StoreFailed"]
