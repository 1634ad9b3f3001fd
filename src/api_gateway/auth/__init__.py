"""Who is calling: one authenticator a file, each with one kind of proof.

Reading order: `authenticator.py` (the words), `api_key.py` and `key_file.py` (the simplest), `bearer.py`, then `jwt.py`
with `jwt_header.py`, `jwt_claims.py`, `key_set.py` and `remote_key_set.py`; `introspection.py` with `identity_cache.py`
and `single_flight.py`; `mtls.py`. What a client is told of it is in `challenge.py`, what a service is told in
`identity_headers.py`.
"""
