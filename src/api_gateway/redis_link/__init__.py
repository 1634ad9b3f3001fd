"""One connection to a Redis or Valkey server: kept up, shared by all requests, and never waited for while it is down.

    pip install "api-gateway[redis]"

Reading order: `connecting.py` (from a URL to a connection), `resp.py` and `request.py` (a command), `script.py`,
`link.py` (many requests on one connection), `uplink.py` (outages). What the server is used for stands elsewhere:
`rate_limiting/redis/` keeps limits there, `caching/redis/` answers.

Nothing else in the package imports the redis library, and importing this takes half a second: who needs it imports it
then.
"""
