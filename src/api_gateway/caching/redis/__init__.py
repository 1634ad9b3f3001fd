"""Answers shared by several gateways, in a Redis or Valkey server.

    pip install "api-gateway[redis]"

Reading order: `redis_store.py` (the whole), `keys.py` (what lies where), `serialisation.py` (an answer as bytes), and
the three scripts. The connection and what is done in an outage are in `redis_link/`.

Importing this brings the redis library, which takes half a second: who needs it imports it then.
"""

from api_gateway.caching.redis.redis_store import RedisCacheStore

__all__ = ["RedisCacheStore"]
