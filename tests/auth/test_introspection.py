"""Introspection: in virtual time, against providers that do what providers do, and worse."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import parse_qs, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway import Request, RequestContext, Response
from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.identity_cache import IdentityCache, Refused
from api_gateway.auth.introspection import IntrospectionAuthenticator, WhenDown
from api_gateway.auth.introspection_answer import Expected, UnusableAnswer, read_answer
from api_gateway.core.clock import Clock
from api_gateway.core.errors import CircuitOpen, GatewayError, IdentityUnavailable
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import chain
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.metrics.introspection import IntrospectionMetrics
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.simulation import run
from api_gateway.simulation.virtual_time import VirtualClock

START = 1_700_000_000.0
SECRET = "s3cret:with+all%kinds of ü"
ADA: Mapping[str, object] = {
    "active": True,
    "sub": "ada",
    "client_id": "shop",
    "scope": "orders:read orders:write",
    "roles": ["staff"],
    "tier": "gold",
    "token_type": "Bearer",
    "iss": "https://id.example",
    "aud": ["orders", "users"],
}


class Provider:
    """Answers with what it is told to, after a while; remembers what it was asked."""

    def __init__(self, answer: object = ADA, seconds: float = 0.1) -> None:
        self.answer = answer
        self.seconds = seconds
        self.failure: Exception | None = None
        self.status = 200
        self.questions: list[tuple[Request, RequestContext]] = []
        self.open = 0
        self.cancelled = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.questions.append((request, context))
        context.attempts += 1
        answer, failure, status = self.answer, self.failure, self.status
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if failure is not None:
            raise failure
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        response = Response(status, {"content-type": "application/json"}, _streamed(body))
        self.open += 1
        response.on_close(self._closed)
        return response

    def _closed(self) -> None:
        self.open -= 1


async def _streamed(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def authenticator(provider: Provider, **options: object) -> IntrospectionAuthenticator:
    options.setdefault("clock", VirtualClock(start=START))
    return IntrospectionAuthenticator(provider, "/introspect", "gw:1", SECRET, name="id", **options)  # type: ignore[arg-type]


def request(token: str = "opaque-1", method: str = "GET") -> Request:
    return Request(method, "/", headers={"authorization": f"Bearer {token}"})


async def who(asker: IntrospectionAuthenticator, token: str = "opaque-1", method: str = "GET") -> str:
    """The subject, or the name of the error."""
    try:
        identity = await asker.authenticate(request(token, method), RequestContext())
    except (InvalidCredentials, IdentityUnavailable) as error:
        return type(error).__name__
    assert identity is not None
    return identity.subject


def simulate(main: Callable[[], Awaitable[None]]) -> None:
    async def watched() -> None:
        await main()
        await asyncio.sleep(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(watched)


# The question.


def test_the_question_is_as_rfc_7662_has_it_and_belongs_to_no_request() -> None:
    async def main() -> None:
        provider = Provider()
        context = RequestContext(started=5, peer_address="192.0.2.1")
        context.request_id = "r-1"
        identity = await authenticator(provider).authenticate(request("a+/=".replace("=", "") + "=="), context)
        assert identity is not None
        ((question, asked_with),) = provider.questions
        assert (question.method, question.target) == ("POST", "/introspect")
        assert question.header("content-type") == "application/x-www-form-urlencoded"
        assert question.header("accept") == "application/json"
        assert isinstance(question.body, bytes)
        assert parse_qs(question.body.decode()) == {"token": ["a+/=="], "token_type_hint": ["access_token"]}
        scheme, _, credentials = (question.header("authorization") or "").partition(" ")
        name, secret = b64decode(credentials).decode().split(":")
        assert (scheme, unquote_plus(name), unquote_plus(secret)) == ("Basic", "gw:1", SECRET)
        assert (asked_with.request_id, asked_with.peer_address, asked_with.identity) == ("", "", None)
        assert asked_with.deadline == 2_000_000_000
        assert context.service == ""

    simulate(main)


def test_a_request_without_a_bearer_token_asks_nobody() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        for headers in ({}, {"authorization": "Basic YTpi"}):
            assert await asker.authenticate(Request("GET", "/", headers=headers), RequestContext()) is None
        with pytest.raises(InvalidCredentials):
            await asker.authenticate(request("two tokens"), RequestContext())
        with pytest.raises(InvalidCredentials):
            await asker.authenticate(request("x" * 9000), RequestContext())
        assert provider.questions == []
        assert asker.challenge == 'Bearer realm="api"'
        assert asker.credential_headers == {b"authorization"}

    simulate(main)


# The answer.


def read(changes: Mapping[str, object], expected: Expected | None = None) -> Identity | Refused:
    answer = {key: value for key, value in {**ADA, **changes}.items() if value != "absent"}
    return read_answer(json.dumps(answer).encode(), expected or Expected(), "provider", START)


def test_an_active_token_becomes_an_identity() -> None:
    one = read({"exp": START + 60})
    assert isinstance(one, Identity)
    assert (one.subject, one.consumer, one.tier, one.method) == ("ada", "shop", "gold", "introspection")
    assert [sorted(one.scopes), sorted(one.roles)] == [["orders:read", "orders:write"], ["staff"]]
    assert (one.issuer, one.expires, one.claims["iss"]) == ("provider", START + 60, "https://id.example")
    with pytest.raises(TypeError):
        one.claims["sub"] = "eve"  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "subject"),
    [({}, "ada"), ({"sub": "absent", "username": "a.l"}, "a.l"), ({"sub": None}, "shop"), ({"sub": ""}, "shop")],
)
def test_the_subject_is_sub_else_username_else_the_client(changes: dict[str, object], subject: str) -> None:
    one = read(changes)
    assert isinstance(one, Identity)
    assert one.subject == subject


def test_two_providers_that_know_the_same_subject_make_two_callers() -> None:
    body = json.dumps(ADA).encode()
    one, other = (read_answer(body, Expected(), name, START) for name in ("a", "b"))
    assert isinstance(one, Identity)
    assert isinstance(other, Identity)
    assert one.key != other.key


@pytest.mark.parametrize(
    ("claim", "changes", "roles"),
    [
        ("roles", {"roles": "a b"}, {"a", "b"}),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("https://id.example/roles", {"https://id.example/roles": ["b"]}, {"b"}),
        ("realm_access.roles", {"realm_access": ["roles"]}, set()),
        ("groups", {}, set()),
    ],
)
def test_roles_are_where_the_configuration_says(claim: str, changes: dict[str, object], roles: set[str]) -> None:
    one = read(changes, Expected(roles_claim=claim))
    assert isinstance(one, Identity)
    assert one.roles == roles


STRICT = Expected(issuer="https://id.example", audiences={"orders"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False}, "The token is not active."),
        ({"exp": START}, "The token has expired."),
        ({"exp": 0}, "The token has expired."),
        ({"nbf": START + 31}, "The token is not valid yet."),
        ({"iss": "https://id.example/"}, "The token is of another issuer."),
        ({"iss": "absent"}, "The token is of another issuer."),
        ({"aud": "users"}, "The token is for another audience."),
        ({"aud": ["orders "]}, "The token is for another audience."),
        ({"aud": "absent"}, "The token is for another audience."),
        ({"token_type": "DPoP"}, "The token is not a bearer access token."),
        ({"token_use": "refresh_token"}, "The token is not a bearer access token."),
        ({"cnf": {"x5t#S256": "x"}}, "The token is bound to a key, and a bearer proves none."),
        ({"sub": "ada\r\nx-user-id: root"}, "The token's owner has a name, or a right, that cannot be passed on."),
        ({"scope": 'a"b'}, "The token's owner has a name, or a right, that cannot be passed on."),
    ],
)
def test_a_token_that_is_not_for_now_or_not_for_us_is_refused(changes: dict[str, object], reason: str) -> None:
    assert read(changes, STRICT) == Refused(reason)


@pytest.mark.parametrize(
    "changes",
    [{"exp": START + 0.5}, {"nbf": START + 30}, {"aud": "orders"}, {"token_type": "bearer"}, {"token_type": "absent"},
     {"exp": None, "nbf": None, "username": None}],
)  # fmt: skip
def test_what_is_good_here_is_taken(changes: dict[str, object]) -> None:
    assert isinstance(read(changes, STRICT), Identity)


UNUSABLE = [
    b"", b"null", b"true", b"[]", b'"active"', b"{}", b'{"active": 1, "sub": "a"}', b'{"active": "true", "sub": "a"}',
    b'{"active": null, "sub": "a"}',
    b'{"active": "false", "sub": "a"}', b'{"active": true}', b'{"active": true, "sub": 42}',
    b'{"active": true, "sub": "a", "exp": "9"}',
    b'{"active": true, "sub": "a", "exp": true}', b'{"active": true, "sub": "a", "exp": NaN}',
    b'{"active": true, "sub": "a", "exp": 1e999}', b'{"active": true, "sub": "a", "exp": 1' + b"0" * 400 + b"}",
    b'{"active": true, "sub": "a", "scope": ["a"]}', b'{"active": true, "sub": "a", "roles": {"a": 1}}',
    b'{"active": true, "sub": "a", "tier": 1}',
    b'{"active": false, "active": true, "sub": "a"}', b"[" * 60000, b'{"a":' * 10000, b"\xff\xfe", b"<html>",
    b'{"active": true, "sub": "a"',
]  # fmt: skip


@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: repr(body[:50]))
def test_what_is_no_introspection_response_says_nothing_of_the_token(body: bytes) -> None:
    with pytest.raises(UnusableAnswer) as error:
        read_answer(body, Expected(), "provider", START)
    assert body[:20].decode("latin-1") not in str(error.value) or not body


@pytest.mark.parametrize("audience", [1, [1], {"orders": 1}, True])
def test_an_audience_that_cannot_be_read_says_nothing_of_the_token(audience: object) -> None:
    with pytest.raises(UnusableAnswer, match="aud in its answer"):
        read({"aud": audience}, STRICT)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    [
        "active",
        "sub",
        "username",
        "client_id",
        "scope",
        "exp",
        "nbf",
        "iss",
        "aud",
        "token_type",
        "roles",
        "tier",
        "cnf",
    ]
)


@given(
    answer=st.dictionaries(MEMBERS, JSON | st.sampled_from([True, "https://id.example", "orders", "Bearer", START + 9]))
    | JSON,
    always_active=st.booleans(),
    expected=st.sampled_from([Expected(), STRICT, Expected(roles_claim="sub.x", tier_claim="aud")]),
)
def test_any_json_is_an_identity_a_refusal_or_unusable(answer: object, always_active: bool, expected: Expected) -> None:
    if isinstance(answer, dict) and always_active:
        answer["active"] = True
    try:
        found = read_answer(json.dumps(answer).encode(), expected, "provider", START)
    except UnusableAnswer:
        return
    assert isinstance(found, Identity | Refused)
    assert isinstance(answer, dict)
    assert not isinstance(found, Identity) or answer["active"] is True


@given(st.binary(max_size=50))
def test_any_bytes_are_no_more_than_unusable(body: bytes) -> None:
    with pytest.raises(UnusableAnswer):
        read_answer(body, Expected(), "provider", START)


@given(answer=JSON, status=st.sampled_from([200, 201, 204, 302, 401, 403, 500, 503]))
def test_whatever_the_provider_says_only_the_declared_errors_come_out(answer: object, status: int) -> None:
    async def main() -> None:
        provider = Provider(answer)
        provider.status = status
        assert await who(authenticator(provider)) in ("InvalidCredentials", "IdentityUnavailable")
        assert provider.open == 0

    simulate(main)


@pytest.mark.parametrize(("more", "subject"), [(0, "ada"), (1, "IdentityUnavailable")])
def test_an_answer_may_be_as_long_as_64_kib(more: int, subject: str) -> None:
    async def main() -> None:
        body = json.dumps(ADA).encode()
        provider = Provider(body.ljust(64 * 1024 + more))
        assert await who(authenticator(provider)) == subject
        assert provider.open == 0

    simulate(main)


# Caching and coalescing.


def test_an_answer_is_good_for_a_while_and_then_asked_for_again() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        for _ in range(10):
            assert await who(asker) == "ada"
        assert (len(provider.questions), asker.cache_hits) == (1, 9)
        await asyncio.sleep(60)
        await who(asker)
        assert (len(provider.questions), asker.asked, asker.active) == (2, 2, 2)

    simulate(main)


def test_an_answer_is_good_until_the_token_expires_at_most() -> None:
    async def main() -> None:
        provider = Provider({**ADA, "exp": START + 10})
        asker = authenticator(provider)
        assert await who(asker) == "ada"
        await asyncio.sleep(9)
        assert await who(asker) == "ada"
        await asyncio.sleep(1)
        assert await who(asker) == "InvalidCredentials"
        assert len(provider.questions) == 2

    simulate(main)


def test_a_refusal_is_remembered_briefly_and_the_sentence_is_the_same() -> None:
    async def main() -> None:
        provider = Provider({"active": False})
        asker = authenticator(provider)
        for _ in range(3):
            with pytest.raises(InvalidCredentials, match=r"^The token is not active\.$"):
                await asker.authenticate(request(), RequestContext())
        assert len(provider.questions) == 1
        await asyncio.sleep(5)
        provider.answer = ADA
        assert await who(asker) == "ada"
        assert (asker.active, asker.inactive) == (1, 1)

    simulate(main)


def test_a_cache_that_was_given_is_the_one_that_is_used() -> None:
    async def main() -> None:
        clock = VirtualClock(start=START)
        cache = IdentityCache(clock, fresh_for=1, refused_for=0, stale_for=0, max_entries=5)
        await who(authenticator(Provider(), cache=cache, clock=clock))
        assert len(cache) == 1

    simulate(main)


def test_a_thousand_requests_with_one_token_are_one_question() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        callers = await asyncio.gather(*(who(asker) for _ in range(1000)))
        assert set(callers) == {"ada"}
        assert (len(provider.questions), asker.joined) == (1, 999)

    simulate(main)


def test_the_first_one_leaving_takes_the_answer_from_nobody() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        tasks = [asyncio.ensure_future(who(asker)) for _ in range(1000)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        assert set(await asyncio.gather(*tasks[1:])) == {"ada"}
        assert (len(provider.questions), provider.cancelled) == (1, 0)

    simulate(main)


def test_a_question_that_nobody_waits_for_is_given_up_and_says_nothing_of_the_provider() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        caller = asyncio.ensure_future(who(asker))
        await asyncio.sleep(0.05)
        caller.cancel()
        await asyncio.wait([caller])
        await asyncio.sleep(0)
        assert (provider.cancelled, asker.failures, asker.down) == (1, 0, False)
        assert await who(asker) == "ada"

    simulate(main)


def test_callers_with_different_tokens_are_never_mixed_up() -> None:
    async def main() -> None:
        class ByToken(Provider):
            async def __call__(self, request: Request, context: RequestContext) -> Response:
                assert isinstance(request.body, bytes)
                token = parse_qs(request.body.decode())["token"][0]
                await asyncio.sleep(int(token) % 7 / 10)
                return Response.json({**ADA, "sub": f"user-{token}"})

        asker = authenticator(ByToken())
        for _ in range(2):
            callers = await asyncio.gather(*(who(asker, str(number)) for number in range(300)))
            assert callers == [f"user-{number}" for number in range(300)]

    simulate(main)


# Without the provider.


def break_off(provider: Provider) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b'{"active": true, '
        raise UpstreamReset("gone")

    async def answer(request: Request, context: RequestContext) -> Response:
        return Response(200, {}, broken())

    provider.__class__ = type("Broken", (Provider,), {"__call__": lambda _, *arguments: answer(*arguments)})


def fail(provider: Provider, how: object) -> None:
    if isinstance(how, Exception):
        provider.failure = how
    elif isinstance(how, int):
        provider.status = how
    elif how == "slow":
        provider.seconds = 100
    elif how == "cut":
        break_off(provider)
    else:
        provider.answer = how


FAILURES = [
    ConnectFailed("refused"), CircuitOpen("left alone"), UpstreamReset("cut"), RuntimeError("a defect with opaque-1"),
    500, 503, 401, 403, 404, 302, 204, "slow", "cut", b"<html>", b"x" * 65 * 1024, {"active": "yes"},
]  # fmt: skip


@pytest.mark.parametrize("how", FAILURES, ids=lambda how: repr(how)[:30])
def test_known_callers_may_read_while_the_provider_is_down_and_nobody_else_may_do_anything(
    how: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        assert await who(asker) == "ada"
        await asyncio.sleep(60)
        fail(provider, how)
        for method in ("GET", "HEAD", "OPTIONS"):
            assert await who(asker, method=method) == "ada"
        for method in ("POST", "PUT", "PATCH", "DELETE", "QUERY", "get"):
            assert await who(asker, method=method) == "IdentityUnavailable"
        assert await who(asker, "stranger") == "IdentityUnavailable"
        assert (asker.admitted_while_down, asker.refused_while_down, asker.failures) == (3, 7, 10)
        assert (asker.down, provider.open) == (True, 0)

    with caplog.at_level(logging.DEBUG):
        simulate(main)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "api_gateway.introspection"]
    assert line.startswith("identity provider id: down: ")
    assert line.endswith("; reads of known callers are admitted, writes are refused")
    for secret in ("opaque-1", "stranger", SECRET, "s3cret", b64encode(b"gw").decode()[:3]):
        assert secret not in caplog.text


def test_what_is_fresh_needs_no_provider() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        await who(asker)
        fail(provider, 500)
        assert await who(asker, method="POST") == "ada"
        assert not asker.down

    simulate(main)


def test_a_known_caller_is_admitted_for_a_time_only() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        await who(asker)
        fail(provider, 500)
        await asyncio.sleep(659)
        assert await who(asker) == "ada"
        await asyncio.sleep(1)
        assert await who(asker) == "IdentityUnavailable"

    simulate(main)


def test_an_expired_token_is_not_admitted_while_the_provider_is_down() -> None:
    async def main() -> None:
        provider = Provider({**ADA, "exp": START + 90})
        asker = authenticator(provider)
        await who(asker)
        fail(provider, 500)
        await asyncio.sleep(85)
        assert await who(asker) == "ada"
        await asyncio.sleep(5)
        assert await who(asker) == "IdentityUnavailable"

    simulate(main)


@pytest.mark.parametrize("wait", [0, 4, 6, 300])
@pytest.mark.parametrize("answer", [{"active": False}, {**ADA, "aud": "others"}])
def test_a_token_once_called_revoked_is_never_admitted_while_the_provider_is_down(wait: int, answer: object) -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider, expected=Expected(audiences={"orders"}))
        assert await who(asker) == "ada"
        await asyncio.sleep(60)
        provider.answer = answer
        assert await who(asker) == "InvalidCredentials"
        fail(provider, 500)
        await asyncio.sleep(wait)
        assert await who(asker) == ("InvalidCredentials" if wait < 5 else "IdentityUnavailable")

    simulate(main)


@pytest.mark.parametrize(
    ("when_down", "read", "write"),
    [
        (WhenDown("admit_cached", "admit_cached"), "ada", "ada"),
        (WhenDown("refuse", "refuse"), "IdentityUnavailable", "IdentityUnavailable"),
        (WhenDown("refuse", "admit_cached"), "IdentityUnavailable", "ada"),
    ],
)
def test_what_happens_then_is_the_operators_choice(when_down: WhenDown, read: str, write: str) -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider, when_down=when_down)
        await who(asker)
        await asyncio.sleep(60)
        fail(provider, 500)
        assert [await who(asker), await who(asker, method="DELETE")] == [read, write]
        assert await who(asker, "stranger") == "IdentityUnavailable"

    simulate(main)


def test_a_thousand_waiting_requests_are_decided_one_by_one_with_errors_of_their_own() -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        await who(asker)
        await asyncio.sleep(60)
        fail(provider, CircuitOpen("left alone", headers=Headers({"retry-after": "7"})))
        methods = ["GET", "POST"] * 500
        results = await asyncio.gather(
            *(asker.authenticate(request(method=method), RequestContext()) for method in methods),
            return_exceptions=True,
        )
        refused = [result for result in results if isinstance(result, IdentityUnavailable)]
        assert (len(refused), asker.admitted_while_down, asker.refused_while_down) == (500, 500, 500)
        assert len({id(error) for error in refused}) == len({id(error.headers) for error in refused}) == 500
        assert {error.headers.get("retry-after") for error in refused} == {"7"}
        assert len(provider.questions) == 2

    simulate(main)


def test_down_and_up_again_are_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        provider = Provider()
        asker = authenticator(provider)
        await who(asker)
        await asyncio.sleep(60)
        for _ in range(2):
            fail(provider, 503)
            for _ in range(5):
                await who(asker)
            await who(asker, method="POST")
            provider.status = 200
            await who(asker)
            await who(asker, "another")
            await asyncio.sleep(60)

    with caplog.at_level(logging.INFO, "api_gateway.introspection"):
        simulate(main)
    what = "reads of known callers are admitted, writes are refused"
    down = f"identity provider id: down: it answered with status 503; {what}"
    up = "identity provider id: up again: meanwhile 5 admitted, 1 refused"
    assert [record.getMessage() for record in caplog.records] == [down, up, down, up]


def test_an_answer_to_a_question_from_before_the_failure_does_not_say_that_it_is_back() -> None:
    async def main() -> None:
        provider = Provider(seconds=1.0)
        asker = authenticator(provider)
        early = asyncio.ensure_future(who(asker, "early"))
        await asyncio.sleep(0.5)
        provider.seconds, provider.failure = 0.1, ConnectFailed("refused")
        assert await who(asker, "late") == "IdentityUnavailable"
        assert await early == "ada"
        assert asker.down

    simulate(main)


def breaking(provider: Provider, clock: Clock) -> tuple[CircuitBreakingMiddleware, Callable[..., Awaitable[Response]]]:
    breaker = CircuitBreaker(CountWindow(4), min_calls=4, failure_rate=0.5, open_for=10**10, half_open_calls=1)
    circuit = CircuitBreakingMiddleware("id", breaker, failure_statuses=range(201, 600), clock=clock)
    return circuit, chain([circuit], provider)


@pytest.mark.parametrize("how", [ConnectFailed("refused"), 500, 401, "slow"], ids=repr)
def test_a_provider_that_fails_is_left_alone_by_the_breaker_and_found_again(how: object) -> None:
    async def main() -> None:
        clock, provider = VirtualClock(start=START), Provider()
        circuit, guarded = breaking(provider, clock)
        asker = IntrospectionAuthenticator(guarded, "/introspect", "gw", SECRET, name="id", clock=clock)
        assert await who(asker) == "ada"
        await asyncio.sleep(60)
        fail(provider, how)
        for _ in range(20):
            assert await who(asker) == "ada"
        assert len(provider.questions) < 6
        assert circuit.opened == 1
        provider.failure, provider.status, provider.seconds = None, 200, 0.1
        await asyncio.sleep(10)
        assert await who(asker, method="POST") == "ada"
        assert not asker.down

    simulate(main)


# What is shown.


def test_nothing_secret_is_in_an_error_or_a_representation() -> None:
    async def main() -> None:
        provider = Provider()
        fail(provider, RuntimeError("a defect that names opaque-1"))
        asker = authenticator(provider)
        with pytest.raises(IdentityUnavailable) as error:
            await asker.authenticate(request(), RequestContext())
        assert isinstance(error.value, GatewayError)
        shown = f"{error.value!r} {error.value} {error.value.detail} {asker!r} {asker.last_failure} {asker._question!r}"
        for secret in ("opaque-1", "s3cret", "gw:1"):
            assert secret not in shown
        assert error.value.detail == "id: asking failed with a defect, RuntimeError"

    simulate(main)


def test_the_metrics_say_what_happened_and_two_that_ask_one_provider_are_one_line() -> None:
    async def main() -> None:
        metrics, registry = IntrospectionMetrics(), CollectorRegistry()
        registry.register(metrics)
        provider = Provider()
        one, other = authenticator(provider), authenticator(provider)
        metrics.watch(one)
        metrics.watch(other)

        def value(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"api_gateway_introspection_{name}", {"provider": "id", **labels})

        await asyncio.gather(who(one), who(one), who(other))
        await who(one)
        await asyncio.sleep(60)
        provider.answer = {"active": False}
        await who(other, "revoked")
        fail(provider, 500)
        await who(one)
        await who(one, method="POST")
        assert (value("questions_total"), value("cache_hits_total"), value("joined_total")) == (5, 1, 1)
        answers = [value("answers_total", result=result) for result in ("active", "inactive", "failure")]
        assert answers == [2, 1, 2]
        assert [value("while_down_total", outcome=each) for each in ("admitted", "refused")] == [1, 1]
        assert value("down") == 1
        text = generate_latest(registry).decode()
        assert "opaque" not in text
        assert "ada" not in text

    simulate(main)
