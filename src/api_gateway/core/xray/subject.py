"""Subject: what a layer is called, and what it says it is.

Rule: names come from the code itself: `RateLimitMiddleware` is a rate limit, and the headline of its documentation
says what that does.
"""

from __future__ import annotations

import inspect
import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*")


def name_in_words(subject: object) -> str:
    """A layer's name for people: `rate limit`, `backend service orders`."""
    if inspect.isfunction(subject):
        return subject.__name__.replace("_", " ").strip()
    words = " ".join(_WORD.findall(type(subject).__name__.removesuffix("Middleware"))).lower()
    own = getattr(subject, "name", "")
    return f"{words} {own}" if isinstance(own, str) and own else words


def headline(subject: object) -> str:
    """What the module of a layer says first, after its name."""
    source = inspect.getmodule(subject if inspect.isfunction(subject) else type(subject))
    first = (inspect.getdoc(source) or "").partition("\n")[0]
    return first.partition(": ")[2]
