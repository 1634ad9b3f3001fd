"""Key maker: one API key for the demo, and the file in which the gateway finds its record.

Rule: the file has the hash only, as with `api-gateway key new`. Its directory is nobody else's to read.

What it does not do: remove the file. Whoever made the directory does.
"""

from __future__ import annotations

from pathlib import Path

from api_gateway.auth.api_key import key_digest, new_key
from api_gateway.auth.key_file import HASH_PREFIX
from api_gateway.server.demo.configuration import KEY_OWNER, ORDERS_SCOPE


def make_key(keys_file: Path) -> str:
    """The text of a new key; its record is all that `keys_file` holds."""
    key = new_key()
    lines = (
        "keys:",
        f'  - id: "{key.id}"',
        f"    hash: {HASH_PREFIX}{key_digest(key.text.encode()).hex()}",
        f"    owner: {KEY_OWNER}",
        f'    scopes: ["{ORDERS_SCOPE}"]',
    )
    keys_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return key.text
