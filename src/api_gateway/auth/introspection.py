"""Introspection: ask the identity provider what a token is worth (RFC 7662).

Rule: the provider decides, and is asked as rarely as that allows. Known tokens come from the cache
(`identity_cache.py`); a thousand requests with the same unknown one are one question (`single_flight.py`); the provider
is a Handler behind a circuit breaker, so one that fails is left alone.

| the provider                                     | then                                                         |
|--------------------------------------------------|--------------------------------------------------------------|
| 200, an answer that can be used                  | an identity, or `InvalidCredentials`                         |
| anything else: no answer in time, a 5xx, a       | it is *down* for this request: `when_down` decides. Never an |
| redirect, a 401 for our own password, garbage    | invalid token, as the client can do nothing about it         |

While it is down, by what the request wants:

| `when_down`    | a caller known from before, token not expired        | anybody else                 |
|----------------|------------------------------------------------------|------------------------------|
| `admit_cached` | admitted for `stale_for` after what is known is old  | `IdentityUnavailable`, a 503 |
| `refuse`       | `IdentityUnavailable`                                | the same                     |

Safe methods read, all others write (RFC 9110 9.2.1). Unless said otherwise reads admit those who are known and writes
refuse: a revocation missed for minutes may show data once more, and must not change any. There is no `admit`
for strangers: a token that nobody has ever vouched for is a made-up string, and whoever can bring the provider down
would be let in by that. What the cache still holds as fresh needs no provider, up or down.

Cost: about 3 us for a known token. Bound: one question a token at a time, with a timeout.

What it does not do: choose where to ask. It is handed one provider at build time, and nothing that a client sends
changes that, so there is no address to forge. It does not repeat a question: a retry is the provider's layer.

Source: RFC 7662; RFC 6749 2.3.1 (how client id and secret are written); RFC 9110 9.2.1.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, TypeAlias

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.bearer import bearer_token
from api_gateway.auth.challenge import DEFAULT_REALM, challenge
from api_gateway.auth.identity_cache import IdentityCache, Refused, TokenKey, key_of
from api_gateway.auth.introspection_answer import Expected, UnusableAnswer, read_answer
from api_gateway.auth.introspection_question import IntrospectionQuestion
from api_gateway.auth.single_flight import SingleFlight, WorkCancelled
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import GatewayError, IdentityUnavailable
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_log = logging.getLogger("api_gateway.introspection")

Policy: TypeAlias = Literal["admit_cached", "refuse"]


@dataclass(frozen=True, slots=True)
class WhenDown:
    """What happens while the provider cannot be asked."""

    read: Policy = "admit_cached"
    write: Policy = "refuse"


@dataclass(frozen=True, slots=True)
class _Failure:
    """The provider gave no usable answer."""

    reason: str
    retry_after: str | None = None


class IntrospectionAuthenticator:
    """Asks one provider. Use it in one event loop."""

    name: str
    """The provider's, for the log, metrics and identities."""
    asked: int
    """Questions that were sent, or that a circuit breaker kept from being sent."""
    active: int
    """Answers that made an identity."""
    inactive: int
    """Answers that refused the token, whether the provider did or what it said was not as expected."""
    failures: int
    """Questions without a usable answer."""
    cache_hits: int
    """Requests that needed no question, whatever the cache said."""
    admitted_while_down: int
    refused_while_down: int
    down: bool
    """Whether the last question has failed."""
    last_failure: str
    """Why a question failed last; empty if none did."""

    def __init__(
        self,
        provider: Handler,
        path: str,
        client_id: str,
        client_secret: str,
        *,
        name: str = "identity provider",
        expected: Expected | None = None,
        cache: IdentityCache | None = None,
        when_down: WhenDown | None = None,
        timeout: float = 2.0,
        realm: str = DEFAULT_REALM,
        clock: Clock | None = None,
    ) -> None:
        """`path` of the provider may have a query; `timeout` is seconds for a whole question and answer."""
        self.challenge = challenge("Bearer", realm=realm)
        self.credential_headers = frozenset({b"authorization"})
        self.name = name
        self.asked = self.active = self.inactive = self.failures = self.cache_hits = 0
        self.admitted_while_down = self.refused_while_down = 0
        self.down = False
        self.last_failure = ""
        self._expected = expected or Expected()
        self._clock = clock or SystemClock()
        self._question = IntrospectionQuestion(
            provider, path, client_id, client_secret, timeout=timeout, clock=self._clock
        )
        if cache is None:  # an empty one is false
            cache = IdentityCache(self._clock, fresh_for=60.0, refused_for=5.0, stale_for=600.0, max_entries=10_000)
        self._cache = cache
        self._when_down = when_down or WhenDown()
        self._flights: SingleFlight[TokenKey, Identity | Refused | _Failure] = SingleFlight()
        self._before_outage = (0, 0)

    @property
    def joined(self) -> int:
        """Requests that waited for a question that another had caused."""
        return self._flights.joined

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        """See `Authenticator.authenticate`."""
        token = bearer_token(request)
        if token is None:
            return None
        key = key_of(token)
        found: Identity | Refused | _Failure | None = self._cache.fresh(key)
        if found is not None:
            self.cache_hits += 1
        else:
            try:
                found = await self._flights.run(key, lambda: self._ask(token, key))
            except WorkCancelled:
                found = _Failure("the question was cancelled")
        if isinstance(found, Identity):
            return found
        if isinstance(found, Refused):
            raise InvalidCredentials(found.reason)
        return self._without_provider(request.method, key, found)

    def _without_provider(self, method: str, key: TokenKey, failure: _Failure) -> Identity:
        policy = self._when_down.read if method in _READS else self._when_down.write
        identity = self._cache.stale(key) if policy == "admit_cached" else None
        if identity is not None:
            self.admitted_while_down += 1
            return identity
        self.refused_while_down += 1
        # Made for each request: whoever adds headers to an error adds them to this one alone.
        headers = Headers({} if failure.retry_after is None else {"retry-after": failure.retry_after})
        raise IdentityUnavailable(f"{self.name}: {failure.reason}", headers=headers)

    async def _ask(self, token: str, key: TokenKey) -> Identity | Refused | _Failure:
        self.asked += 1
        failures_before = self.failures
        try:
            body = await self._question.ask(token)
            found = read_answer(body, self._expected, self.name, self._clock.wall())
        except UnusableAnswer as error:
            return self._failed(_Failure(str(error)))
        except GatewayError as error:
            return self._failed(_Failure(error.detail, error.headers.get("retry-after")))
        except Exception as error:  # must not become the answer to somebody's request; its text may hold the token
            return self._failed(_Failure(f"asking failed with a defect, {type(error).__name__}"))
        self._cache.learn(key, found)
        self._answered(found, failures_before)
        return found

    def _failed(self, failure: _Failure) -> _Failure:
        self.failures += 1
        self.last_failure = failure.reason
        if not self.down:
            self.down = True
            self._before_outage = self.admitted_while_down, self.refused_while_down
            does = {"admit_cached": "of known callers are admitted", "refuse": "are refused"}
            what = f"reads {does[self._when_down.read]}, writes {does[self._when_down.write]}"
            _log.warning("identity provider %s: down: %s; %s", self.name, failure.reason, what)
        return failure

    def _answered(self, found: Identity | Refused, failures_before: int) -> None:
        if isinstance(found, Identity):
            self.active += 1
        else:
            self.inactive += 1
        # An answer to a question from before the last failure does not prove that it is back.
        if self.down and failures_before == self.failures:
            self.down = False
            admitted, refused = self._before_outage
            numbers = self.admitted_while_down - admitted, self.refused_while_down - refused
            _log.warning("identity provider %s: up again: meanwhile %d admitted, %d refused", self.name, *numbers)

    def __repr__(self) -> str:
        return f"<IntrospectionAuthenticator {self.name} {'down' if self.down else 'up'}>"
