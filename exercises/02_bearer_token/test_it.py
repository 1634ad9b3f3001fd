"""One scheme, one token, one header; everything else is no bearer token."""

from __future__ import annotations

from random import Random

from broken import BearerAuth, bearer_token

from api_gateway import GatewayError, Request, RequestContext, Response, chain
from api_gateway.core.identity import Identity
from api_gateway.simulation import run

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"


def found(*fields: str) -> str | None:
    return bearer_token(Request("GET", "/", headers=[("authorization", field) for field in fields]))


def answered(*fields: str) -> str:
    """What a client with these `Authorization` fields gets from a service behind `BearerAuth`."""

    async def scenario() -> str:
        async def service(request: Request, context: RequestContext) -> Response:
            return Response.text(f"hello {context.identity.subject}" if context.identity else "hello nobody")

        auth = BearerAuth(lambda token: Identity("42", "jwt") if token == TOKEN else None)
        request = Request("GET", "/", headers=[("authorization", field) for field in fields])
        try:
            response = await chain([auth], service)(request, RequestContext())
        except GatewayError as error:
            return str(error.status)
        return (await response.read()).decode()

    return run(scenario)


def test_a_well_formed_token_is_found() -> None:
    assert found(f"Bearer {TOKEN}") == TOKEN, "the usual way of sending a token must go on working"
    assert answered(f"Bearer {TOKEN}") == "hello 42", "and its owner gets in"
    assert answered(f"Bearer {TOKEN}x") == answered() == "401", "others do not"


def test_the_scheme_may_be_in_any_case() -> None:
    for scheme in ("bearer", "BEARER", "bEaReR"):
        got = answered(f"{scheme} {TOKEN}")
        assert got == "hello 42", f"{scheme!r} is the same scheme (RFC 9110 11.1), and a valid token got {got}"


def test_without_the_scheme_there_is_no_token() -> None:
    for field in (TOKEN, f"Basic {TOKEN}", f"DPoP {TOKEN}", f"Bearer{TOKEN}", "Bearer", "Bearer ", ""):
        assert found(field) is None, f"`Authorization: {field}` was taken for the bearer token {found(field)!r}"


def test_a_second_reader_cannot_see_another_token() -> None:
    for field in (f"Bearer {TOKEN} admin", f"Bearer Bearer {TOKEN}", f"Bearer {TOKEN},x", f"Token Bearer {TOKEN}"):
        assert found(field) is None, f"`{field}` has more than one reading; one of them was {found(field)!r}"
    twice = found(f"Bearer {TOKEN}", "Bearer another")
    assert twice is None, (
        f"two Authorization headers: the service may read the one that was not checked ({twice!r} was)"
    )


def test_no_character_is_lost_or_invented() -> None:
    random = Random(2)
    for _ in range(500):
        token = "".join(random.choices("ABCabc019-._~+/", k=random.randrange(1, 40))) + "=" * random.randrange(3)
        assert found(f"bearer {token}") == token, f"the token {token!r} came out as {found(f'bearer {token}')!r}"
        broken = token + random.choice(' ,;"\\@é') + "x"
        assert found(f"Bearer {broken}") is None, (
            f"{broken!r} is no token, and was taken for {found(f'Bearer {broken}')!r}"
        )
