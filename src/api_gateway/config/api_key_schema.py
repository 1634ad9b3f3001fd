"""API keys in the configuration: in which header they come, and where their records are.

    - auth: {any_of: [{api_key: {header: X-API-Key, keys_file: keys.yaml}}]}

Rule: the header is the keys' own. A header that means something else to HTTP would be taken from services together
with the key.

What it does not do: read the file of keys (`auth/key_file.py`). Its name is relative to where the gateway was started.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator

from api_gateway.auth.api_key import DEFAULT_HEADER
from api_gateway.config.fields import FilePath
from api_gateway.config.http_fields import header_name
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal

_TAKEN: Final = frozenset(
    {
        "accept",
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "host",
        "origin",
        "traceparent",
        "user-agent",
        "x-forwarded-for",
        "x-request-id",
    }
)


def _key_header(value: object) -> str:
    name = header_name(value)
    if name.lower() in _TAKEN:
        raise Refusal(
            f"the header {name!r} means something else", "give the key a header of its own, such as X-API-Key"
        )
    return name


KeyHeader: TypeAlias = Annotated[str, BeforeValidator(_key_header)]


class ApiKeyConfig(Model):
    """Callers that are known by a key."""

    header: KeyHeader = DEFAULT_HEADER
    """The header that holds the key, and nothing else."""
    keys_file: FilePath
    """The records of the keys: looked at while running, so a change needs no restart."""
