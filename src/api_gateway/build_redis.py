"""Build redis: what can be wrong with a shared store before it is asked anything.

What it does not do: make one; limits and caches each do, for the connection is the only thing they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api_gateway.core.errors import ConfigurationError


@contextmanager
def redis_package() -> Iterator[None]:
    """Say what is wrong with a shared store, for a block that imports its package and makes one.

    Raises:
        ConfigurationError: the package is not installed, or the options are wrong.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise ConfigurationError('a redis store needs a package more: pip install "api-gateway[redis]"') from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
