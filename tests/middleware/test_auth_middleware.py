"""Auth: which identity wins, who is refused and how, and what a service gets to see."""

from __future__ import annotations

import json
import logging
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.auth.authenticator import Authenticator, InvalidCredentials
from api_gateway.auth.challenge import IdentityNeeded
from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.canonical_request import IDENTITY_HEADERS
from api_gateway.core.errors import BadRequest, GatewayError, IdentityUnavailable, Unauthenticated
from api_gateway.core.headers import HeadersLike
from api_gateway.core.identity import AuthenticationMethod, Identity
from api_gateway.core.middleware import Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import run
from api_gateway.transport.in_process import InProcessTransport
from tests.support.gateway_server import answering, serve
from tests.support.raw_client import connect

FORGED = "f0rged-by-the-client"


class Known:
    """A stand-in: knows what is in its table, and nothing else."""

    def __init__(
        self,
        header: str,
        known: dict[str, Identity],
        challenge: str = "",
        *,
        prefix: str = "",
        method: AuthenticationMethod = "jwt",
    ) -> None:
        self.challenge = challenge
        self.credential_headers = frozenset({header.encode()})
        self.header = header
        self.known = known
        self.prefix = prefix
        self.method = method
        self.down = False
        self.asked = 0

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        self.asked += 1
        value = request.header(self.header)
        if value is None or not value.startswith(self.prefix):
            return None
        if self.down:
            raise IdentityUnavailable("the provider is out of reach")
        found = self.known.get(value.removeprefix(self.prefix))
        if found is None:
            raise InvalidCredentials(f"The {self.method} is not valid.")
        return found


ANNA = Identity("anna", "jwt", scopes=frozenset({"orders:read"}), consumer="shop")
BERT = Identity("bert", "introspection", roles=frozenset({"admin"}))
ROBOT = Identity("robot", "api_key")
BEARER, API_KEY = 'Bearer realm="api"', 'ApiKey realm="api", header="X-API-Key"'


def jwt() -> Known:
    return Known("authorization", {"anna": ANNA}, "Bearer", prefix="Bearer ")


def introspection() -> Known:
    return Known("authorization", {"bert": BERT}, BEARER, prefix="Bearer ", method="introspection")


def api_key() -> Known:
    return Known("x-api-key", {"robot": ROBOT}, API_KEY, method="api_key")


def mtls() -> Known:
    return Known("x-test-certificate", {}, method="mtls")


class Seen:
    """What the service saw."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.identities: list[Identity | None] = []

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.requests.append(request)
        self.identities.append(context.identity)
        return Response.text("served")

    @property
    def identity(self) -> Identity | None:
        return self.identities[-1]

    @property
    def told(self) -> dict[str, str]:
        """The identity headers; each at most once."""
        pairs = [(name, value) for name, value in self.requests[-1].headers if name.encode() in IDENTITY_HEADERS]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    def header(self, name: str) -> str | None:
        return self.requests[-1].header(name)


def service(seen: Seen) -> BackendService:
    """What it sees is what a service does."""
    return BackendService("seen", [Endpoint("in-process://seen")], InProcessTransport({"in-process://seen": seen}))


async def ask(layers: list[Middleware], headers: HeadersLike = (), context: RequestContext | None = None) -> Seen:
    seen = Seen()
    await chain(layers, service(seen))(Request("GET", "/", headers), context or RequestContext())
    return seen


async def refused(layers: list[Middleware], headers: HeadersLike = ()) -> GatewayError:
    seen = Seen()
    with pytest.raises(GatewayError) as caught:
        await chain(layers, service(seen))(Request("GET", "/", headers), RequestContext())
    assert not seen.requests
    assert FORGED not in f"{caught.value.detail}{caught.value.headers!r}"
    return caught.value


def challenges(error: GatewayError) -> list[str]:
    return error.headers.get_all("www-authenticate")


# Who is calling


async def test_a_proven_caller_is_known_to_the_gateway_and_to_the_service() -> None:
    seen = await ask([AuthMiddleware([jwt()])], {"authorization": "Bearer anna", "accept": "*/*"})
    assert seen.identity is ANNA
    assert seen.told == {"x-user-id": "anna", "x-user-scopes": "orders:read", "x-consumer": "shop"}
    assert seen.header("accept") == "*/*"


async def test_the_first_identity_wins_and_nobody_further_is_asked() -> None:
    first, second = jwt(), api_key()
    seen = await ask([AuthMiddleware([first, second])], {"authorization": "Bearer anna", "x-api-key": "robot"})
    assert (seen.identity, second.asked) == (ANNA, 0)
    seen = await ask([AuthMiddleware([api_key(), jwt()])], {"authorization": "Bearer anna", "x-api-key": "robot"})
    assert seen.identity is ROBOT


async def test_a_token_that_one_does_not_know_another_may() -> None:
    seen = await ask([AuthMiddleware([jwt(), introspection()])], {"authorization": "Bearer bert"})
    assert seen.identity is BERT
    assert seen.told == {"x-user-id": "bert", "x-user-roles": "admin"}


@pytest.mark.parametrize("optional", [False, True])
async def test_wrong_credentials_beside_right_ones_prove_nothing_and_spoil_nothing(optional: bool) -> None:
    layer = AuthMiddleware([api_key(), jwt()], optional=optional)
    assert (await ask([layer], {"x-api-key": FORGED, "authorization": "Bearer anna"})).identity is ANNA


# Who is not


async def test_without_credentials_every_way_is_named_and_none_with_an_error() -> None:
    error = await refused([AuthMiddleware([jwt(), introspection(), api_key(), mtls()])])
    assert isinstance(error, Unauthenticated)
    assert challenges(error) == [BEARER, API_KEY]


async def test_all_challenges_are_of_the_one_realm() -> None:
    error = await refused([AuthMiddleware([jwt(), introspection(), api_key()], realm="shop")])
    assert challenges(error) == ['Bearer realm="shop"', 'ApiKey realm="shop", header="X-API-Key"']


async def test_where_only_a_certificate_will_do_there_is_a_challenge_all_the_same() -> None:
    assert challenges(await refused([AuthMiddleware([mtls()])])) == ['ClientCertificate realm="api"']
    error = await refused([AuthMiddleware([mtls()])], {"x-test-certificate": FORGED})
    assert (error.status, challenges(error)) == (401, ['ClientCertificate realm="api"'])


@pytest.mark.parametrize("optional", [False, True])
async def test_a_forged_token_is_never_an_anonymous_caller(optional: bool) -> None:
    layer = AuthMiddleware([jwt(), api_key()], optional=optional)
    error = await refused([layer], {"authorization": f"Bearer {FORGED}"})
    assert (error.status, error.detail) == (401, "The jwt is not valid.")
    wrong = BEARER + ', error="invalid_token", error_description="The jwt is not valid."'
    assert challenges(error) == [wrong, API_KEY]


async def test_a_wrong_key_is_no_error_of_the_token_that_was_not_sent() -> None:
    error = await refused([AuthMiddleware([jwt(), api_key()])], {"x-api-key": FORGED})
    assert (error.status, error.detail, challenges(error)) == (401, "The api_key is not valid.", [BEARER, API_KEY])


async def test_of_several_that_know_nothing_of_a_token_the_first_says_why() -> None:
    error = await refused([AuthMiddleware([jwt(), introspection()])], {"authorization": f"Bearer {FORGED}"})
    assert error.detail == "The jwt is not valid."
    assert challenges(error) == [BEARER + ', error="invalid_token", error_description="The jwt is not valid."']


async def test_another_scheme_in_authorization_is_no_credentials_of_ours() -> None:
    assert challenges(await refused([AuthMiddleware([jwt()])], {"authorization": "Basic YTpi"})) == [BEARER]
    seen = await ask([AuthMiddleware([jwt()], optional=True)], {"authorization": "Basic YTpi"})
    assert (seen.identity, seen.header("authorization")) == (None, None)


@pytest.mark.parametrize("optional", [False, True])
@pytest.mark.parametrize("second", ["Bearer anna", FORGED])
async def test_a_credential_header_that_is_there_twice_is_400(optional: bool, second: str) -> None:
    layer = AuthMiddleware([jwt(), api_key()], optional=optional)
    error = await refused([layer], [("authorization", "Bearer anna"), ("authorization", second)])
    assert isinstance(error, BadRequest)
    assert challenges(error) == [BEARER + ', error="invalid_request"', API_KEY]
    error = await refused([layer], [("x-api-key", "robot"), ("x-api-key", second)])
    assert (error.status, challenges(error)) == (400, [])
    assert layer.counts["invalid", "none"] == 2


# Out of reach


@pytest.mark.parametrize("optional", [False, True])
async def test_a_token_that_nobody_can_check_is_503_and_neither_wrong_nor_absent(optional: bool) -> None:
    provider = introspection()
    provider.down = True
    layer = AuthMiddleware([jwt(), provider, api_key()], optional=optional)
    error = await refused([layer], {"authorization": f"Bearer {FORGED}"})
    assert (error.status, error.code, challenges(error)) == (503, "identity-unavailable", [])


async def test_while_one_is_out_of_reach_another_may_prove_it() -> None:
    provider = introspection()
    provider.down = True
    layer = AuthMiddleware([provider, jwt(), api_key()])
    assert (await ask([layer], {"authorization": "Bearer anna"})).identity is ANNA
    assert (await ask([layer], {"x-api-key": "robot"})).identity is ROBOT


async def test_whoever_presents_nothing_does_not_notice_that_a_provider_is_down() -> None:
    provider = introspection()
    provider.down = True
    assert (await refused([AuthMiddleware([provider])])).status == 401
    assert (await ask([AuthMiddleware([provider], optional=True)])).identity is None


# What the service gets

SMUGGLED = [
    ("X-User-Id", "root"),
    ("X-User-Scopes", "everything"),
    ("X-User-Roles", "admin"),
    ("X-Consumer", "payroll"),
]


@pytest.mark.parametrize("headers", [[], [("authorization", "Bearer anna")]], ids=["anonymous", "known"])
async def test_an_identity_in_headers_from_outside_never_reaches_a_service(headers: list[tuple[str, str]]) -> None:
    """Directly, as if the edge had let them through."""
    seen = await ask([AuthMiddleware([jwt()], optional=True)], [*SMUGGLED, *headers, *SMUGGLED])
    assert seen.told == ({} if not headers else {"x-user-id": "anna", "x-user-scopes": "orders:read"} | SHOP)


SHOP = {"x-consumer": "shop"}


async def test_nor_through_the_whole_gateway_however_it_is_spelt() -> None:
    seen = Seen()
    gateway = answering(service(seen), AuthMiddleware([jwt()], optional=True))
    twins = [(name.replace("-", "_"), value) for name, value in SMUGGLED]
    names = ", ".join(["x-user-id", "X-User-Scopes", "authorization"])
    for headers in (SMUGGLED, twins, [*SMUGGLED, ("connection", names)]):
        await (await gateway.handle(Request("GET", "/", headers))).close()
        assert seen.told == {}
        assert not [name for name, _ in seen.requests[-1].headers if "user" in name]
        known = Request("GET", "/", [*headers, ("authorization", "Bearer anna")])
        await (await gateway.handle(known)).close()
    # Connection named the credentials, so they were gone before anybody asked: an anonymous caller, without headers.
    assert (seen.identities, seen.told) == ([None, ANNA, None, ANNA, None, None], {})


async def test_connection_cannot_remove_what_the_gateway_says_of_the_caller() -> None:
    seen = Seen()
    gateway = answering(service(seen), AuthMiddleware([jwt()]))
    headers = [("authorization", "Bearer anna"), ("connection", "X-User-Id, X-User-Scopes")]
    await (await gateway.handle(Request("GET", "/", headers))).close()
    assert seen.told["x-user-id"] == "anna"


async def test_services_do_not_get_the_credentials_used_or_not() -> None:
    headers = {"authorization": "Bearer anna", "x-api-key": FORGED, "cookie": "a=1"}
    seen = await ask([AuthMiddleware([jwt(), api_key()])], headers)
    assert (seen.header("authorization"), seen.header("x-api-key"), seen.header("cookie")) == (None, None, "a=1")


async def test_unless_it_is_said_that_they_do() -> None:
    layer = AuthMiddleware([jwt(), api_key()], forward_credentials=True)
    seen = await ask([layer], [*SMUGGLED, ("authorization", "Bearer anna"), ("x-api-key", "robot")])
    assert (seen.header("authorization"), seen.header("x-api-key")) == ("Bearer anna", "robot")
    assert seen.told == {"x-user-id": "anna", "x-user-scopes": "orders:read"} | SHOP


async def test_the_request_that_came_is_left_as_it_was() -> None:
    request = Request("GET", "/", {"authorization": "Bearer anna", "x-user-id": "root"})
    before = list(request.headers.pairs)
    seen = Seen()
    for _ in range(2):
        await chain([AuthMiddleware([jwt()])], service(seen))(request, RequestContext())
    assert request.headers.pairs == before
    assert seen.requests[0] == seen.requests[1]


Subjects = st.text(min_size=1, max_size=30).filter(lambda text: not any(map(_is_control, text)))


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or code in (0x2028, 0x2029) or 0xD800 <= code < 0xE000


@settings(max_examples=60)
@given(Subjects)
def test_what_a_service_reads_back_over_the_gateway_is_the_subject(subject: str) -> None:
    seen = Seen()
    known = Known("authorization", {"x": Identity(subject, "jwt")}, prefix="Bearer ")

    async def main() -> None:
        gateway = answering(service(seen), AuthMiddleware([known]))
        await (await gateway.handle(Request("GET", "/", {"authorization": "Bearer x"}))).close()

    run(main)
    assert unquote(seen.told["x-user-id"], errors="strict") == subject
    assert list(seen.told) == ["x-user-id"]


Names = st.sampled_from(["authorization", "x-api-key", "x-user-id", "x-user-roles", "connection", "accept"])
Values = st.sampled_from(["Bearer anna", "robot", "admin", "x-user-id", ""]) | st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
)


@settings(max_examples=80)
@given(st.lists(st.tuples(Names, Values), max_size=6), st.booleans())
def test_whatever_is_sent_the_service_hears_of_proven_callers_only(
    lines: list[tuple[str, str]], optional: bool
) -> None:
    seen = Seen()

    async def main() -> int:
        gateway = answering(service(seen), AuthMiddleware([jwt(), api_key()], optional=optional))
        response = await gateway.handle(Request("GET", "/", lines))
        await response.close()
        return response.status

    status = run(main)
    if status == 200:
        expected = {ANNA: {"x-user-id": "anna", "x-user-scopes": "orders:read"} | SHOP, ROBOT: {"x-user-id": "robot"}}
        assert seen.told == (expected[seen.identity] if seen.identity else {})
        assert (seen.header("authorization"), seen.header("x-api-key")) == (None, None)
        assert optional or seen.identity is not None
    else:
        assert status in (400, 401)
        assert not seen.requests


# Two on one request


async def test_the_later_one_replaces_identity_and_headers_together() -> None:
    layers: list[Middleware] = [AuthMiddleware([jwt()]), AuthMiddleware([api_key()])]
    seen = await ask(layers, {"authorization": "Bearer anna", "x-api-key": "robot"})
    assert (seen.identity, seen.told) == (ROBOT, {"x-user-id": "robot"})
    assert (seen.header("authorization"), seen.header("x-api-key")) == (None, None)


async def test_what_an_earlier_one_proved_does_not_satisfy_a_later_one() -> None:
    layers: list[Middleware] = [AuthMiddleware([jwt()]), AuthMiddleware([api_key()])]
    error = await refused(layers, {"authorization": "Bearer anna"})
    assert (error.status, challenges(error)) == (401, [API_KEY])
    error = await refused([AuthMiddleware([jwt()], optional=True), layers[1]])
    assert challenges(error) == [API_KEY], "the first one's challenge would lead nowhere"


async def test_a_later_optional_one_that_is_presented_nothing_leaves_the_caller_known() -> None:
    layers: list[Middleware] = [AuthMiddleware([jwt()]), AuthMiddleware([api_key()], optional=True)]
    seen = await ask(layers, {"authorization": "Bearer anna"})
    assert (seen.identity, seen.told["x-user-id"]) == (ANNA, "anna")
    assert (await refused(layers, {"authorization": "Bearer anna", "x-api-key": FORGED})).status == 401


async def test_the_headers_are_those_of_the_identity_whoever_set_it() -> None:
    context = RequestContext()
    context.identity = BERT
    seen = await ask([AuthMiddleware([jwt()], optional=True)], SMUGGLED, context)
    assert seen.told == {"x-user-id": "bert", "x-user-roles": "admin"}


async def test_a_later_one_reads_what_an_earlier_one_keeps_from_services() -> None:
    seen = await ask([AuthMiddleware([jwt(), api_key()]), AuthMiddleware([jwt()])], {"authorization": "Bearer anna"})
    assert (seen.identity, seen.header("authorization")) == (ANNA, None)


async def test_what_one_of_two_keeps_from_services_the_other_cannot_give_them() -> None:
    layers: list[Middleware] = [AuthMiddleware([jwt()]), AuthMiddleware([jwt()], forward_credentials=True)]
    assert (await ask(layers, {"authorization": "Bearer anna"})).header("authorization") is None


async def test_an_identity_needed_further_in_is_asked_for_in_the_ways_of_both() -> None:
    async def needs(request: Request, context: RequestContext) -> Response:
        raise IdentityNeeded("No.")

    layers = [AuthMiddleware([api_key()], optional=True), AuthMiddleware([jwt()], optional=True)]
    with pytest.raises(IdentityNeeded) as caught:
        await chain(layers, needs)(Request("GET", "/"), RequestContext())
    assert challenges(caught.value) == [BEARER, API_KEY]


# From request to request


async def test_one_connections_requests_do_not_share_an_identity() -> None:
    seen = Seen()
    request = b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n"
    lines = [b"Authorization: Bearer anna\r\n", b"", b"Authorization: Bearer bert\r\nX-User-Id: root\r\n", b""]
    layer = AuthMiddleware([jwt(), introspection()], optional=True)
    async with serve(answering(seen, layer)) as server, connect(server.port) as client:
        for line in lines:
            client.send(request % line)
            assert (await client.response()).status == 200
        client.send(b"".join(request % line for line in lines))  # pipelined, too
        for _ in lines:
            assert (await client.response()).status == 200
    assert seen.identities == [ANNA, None, BERT, None] * 2
    assert [request.header("x-user-id") for request in seen.requests] == ["anna", None, "bert", None] * 2


async def test_nothing_that_was_presented_is_in_any_answer_log_or_representation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = introspection()
    layer = AuthMiddleware([jwt(), provider, api_key()])
    gateway = answering(Seen(), layer)
    attempts: list[HeadersLike] = [
        {"authorization": f"Bearer {FORGED}"},
        {"x-api-key": FORGED},
        [("authorization", f"Bearer {FORGED}")] * 2,
        {"authorization": FORGED, "x-user-id": FORGED},
    ]
    statuses = []
    for down in (False, True):
        provider.down = down
        for headers in attempts:
            context = RequestContext()
            response = await gateway.handle(Request("GET", "/", headers), context)
            statuses.append(response.status)
            body = (await response.read()).decode()
            assert json.loads(body)["status"] == response.status
            assert FORGED not in f"{body}{response.headers!r}{context!r}{layer!r}{layer.explained}"
    assert statuses == [401, 401, 400, 401, 503, 401, 400, 401]
    assert FORGED not in caplog.text


# What is counted, and shown


async def test_decisions_are_counted_by_outcome_and_method() -> None:
    provider = introspection()
    methods = ("jwt", "introspection", "api_key")
    layer = AuthMiddleware([jwt(), provider, api_key()], methods=methods)
    await ask([layer], {"authorization": "Bearer anna"})
    await ask([layer], {"authorization": "Bearer bert"})
    await refused([layer])
    await refused([layer], {"authorization": f"Bearer {FORGED}"})
    await refused([layer], {"x-api-key": FORGED})
    provider.down = True
    await refused([layer], {"authorization": f"Bearer {FORGED}"})
    layer.optional = True
    await ask([layer])
    assert {labels: count for labels, count in layer.counts.items() if count} == {
        ("identified", "jwt"): 1,
        ("identified", "introspection"): 1,
        ("missing", "none"): 1,
        ("invalid", "jwt"): 1,
        ("invalid", "api_key"): 1,
        ("unavailable", "introspection"): 1,
        ("anonymous", "none"): 1,
    }


async def test_it_explains_itself_in_a_line() -> None:
    layer = AuthMiddleware([jwt(), api_key()], methods=("jwt", "api_key"))
    assert layer.explained == "jwt or api_key, required; kept from services: authorization, x-api-key"
    layer = AuthMiddleware([jwt()], optional=True, forward_credentials=True)
    assert layer.explained == "other, optional; kept from services: nothing"


@pytest.mark.parametrize(
    ("ways", "methods", "realm"),
    [([], (), "api"), ([jwt()], ("jwt", "mtls"), "api"), ([jwt()], (), "a\r\nX-Admin: 1"), ([mtls()], (), "ä")],
)
def test_what_could_never_work_is_refused_at_once(
    ways: list[Authenticator], methods: tuple[str, ...], realm: str
) -> None:
    with pytest.raises(ValueError, match=r"at least one way|zip\(\)|printable ASCII"):
        AuthMiddleware(ways, methods=methods, realm=realm)


async def test_a_defect_in_an_authenticator_lets_nobody_in() -> None:
    class Defective(Known):
        async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
            raise RuntimeError("a defect")

    seen = Seen()
    gateway = ApiGateway(
        Router([Route("/*", "s")]), {"s": seen}, [AuthMiddleware([Defective("x-a", {}), jwt()], optional=True)]
    )
    response = await gateway.handle(Request("GET", "/", {"authorization": "Bearer anna"}))
    assert (response.status, seen.requests) == (500, [])
    await response.close()
