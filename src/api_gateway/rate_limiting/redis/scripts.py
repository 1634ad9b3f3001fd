"""Scripts: the Lua of some algorithms put together, so that one call decides for several limits at once.

    clock.lua  prelude.lua  ALGORITHM.lua ...  one.lua | several.lua

Rule: a script holds just the algorithms that the limits of one request use, each once; the numbers of a limit
are arguments. So there are as many scripts as combinations in use, not as many as limits or keys, and the
server keeps them all. How a script is called, `redis_link/script.py` says.

What it does not do: load scripts beforehand. The first call finds it unknown, and brings it along.

Source: the Redis manual, "Scripting with Lua".
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from api_gateway.rate_limiting.limit_store import AlgorithmName
from api_gateway.redis_link.script import Script

CLOCK = "clock"


class Scripts:
    """All scripts of one store, made when they are first needed."""

    __slots__ = ("_clock", "_made", "renew")

    def __init__(self, clock: str | None = None) -> None:
        """`clock` is Lua that defines `now` and `lifetime` in place of `clock.lua`: for tests."""
        self._clock = clock or _text(CLOCK)
        self._made: dict[tuple[AlgorithmName, ...], Script] = {}
        self.renew = Script("\n".join((self._clock, _text("prelude"), _text("renew"))))

    def of(self, *algorithms: AlgorithmName) -> Script:
        """The script that decides for limits of these algorithms, one for each ask."""
        script = self._made.get(algorithms)
        if script is None:
            driver = "one" if len(algorithms) == 1 else "several"
            parts = [self._clock, _text("prelude"), *(_text(name) for name in sorted(set(algorithms))), _text(driver)]
            script = self._made[algorithms] = Script("\n".join(parts))
        return script


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
