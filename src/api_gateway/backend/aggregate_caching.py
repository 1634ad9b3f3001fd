"""Aggregate caching: how long, and by whom, an answer made of several may be kept.

Rule: as long as the part that is kept shortest, and by those only by whom all parts may be. What forbids is taken
over from any part; what allows must be in all of them.

| in the parts                                            | in the answer                                          |
|---------------------------------------------------------|--------------------------------------------------------|
| `no-store` in one                                       | `no-store`, alone                                      |
| no Cache-Control in any                                 | none, unless it is private                             |
| `max-age`, `s-maxage`, `Age`                            | `max-age`: the least that is left; 0 if one says none  |
| `no-cache`, `must-revalidate`, `proxy-revalidate` in one| the same                                               |
| `private`, or a cookie, in one; a path with who calls   | `private`                                              |
| `public`, `s-maxage` or `must-revalidate` in all        | `public`                                               |
| `must-revalidate` in one, and not all of these three    | `private`, too: with Authorization it would allow more |
|                                                         | than the other part does (RFC 9111 3.5)                |
| `stale-while-revalidate`, `stale-if-error`              | nothing                                                |
| `Vary`                                                  | all names, less what the gateway says to each part     |

Validators are not passed on: there is no ETag of several answers, and so no 304.

Source: RFC 9111 sections 3.5, 4.1 and 5.2.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from api_gateway.caching.cache_control import ResponseDirectives, response_directives
from api_gateway.core.headers import Headers

_SAID_BY_GATEWAY = frozenset({"accept", "accept-encoding"})


def caching_of(parts: Sequence[Headers], *, private: bool = False) -> str | None:
    """The Cache-Control for an answer made of parts with these headers; None for none."""
    stated = any("cache-control" in headers for headers in parts)
    directives = [response_directives(headers.get_all("cache-control")) for headers in parts]
    if any(each.no_store for each in directives):
        return "no-store"
    all_shared = bool(parts) and all(map(_shared, directives))
    revalidate = any(each.must_revalidate for each in directives)
    private = (
        private
        or any(each.private or each.private_fields for each in directives)
        or any("set-cookie" in headers for headers in parts)
        or (revalidate and not all_shared)
    )
    members = ["private"] if private else ["public"] if all_shared else []
    if stated:
        left = (_left(each, headers) for each, headers in zip(directives, parts, strict=True))
        members.append(f"max-age={min(left)}")
    members += ["no-cache"] if any(each.no_cache or each.no_cache_fields for each in directives) else []
    members += ["must-revalidate"] if revalidate else []
    members += ["proxy-revalidate"] if any(each.proxy_revalidate for each in directives) else []
    return ", ".join(members) or None


def varying_of(parts: Iterable[Headers], read: Collection[str]) -> str | None:
    """The Vary of such an answer, whose paths `read` these headers; None for none."""
    names = {name.lower() for headers in parts for name in headers.tokens("vary")}
    names = (names - _SAID_BY_GATEWAY) | set(read)
    return "*" if "*" in names else ", ".join(sorted(names)) or None


def _shared(directives: ResponseDirectives) -> bool:
    """Whether a shared cache may keep it although the request had Authorization."""
    return directives.public or directives.must_revalidate or directives.s_maxage is not None


def _left(directives: ResponseDirectives, headers: Headers) -> int:
    stated = [seconds for seconds in (directives.max_age, directives.s_maxage) if seconds is not None]
    if not stated:
        return 0
    age = headers.get("age", "0") or "0"
    known = int(age) if age.isdecimal() and age.isascii() and len(age) <= 10 else min(stated)
    return max(0, min(stated) - known)
