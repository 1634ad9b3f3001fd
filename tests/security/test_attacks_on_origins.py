"""Attacks on CORS: each is a page that wants to read what the gateway answers to its visitor's browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_gateway.core.errors import ConfigurationError
from tests.support.security_rig import ADMIN_KEY, Answer, Rig, build_rig, configuration, key, rig

ALLOWED = "https://app.example"
TRICKS = {
    "a name that ends like it": "https://evil-app.example",
    "a name that begins like it": "https://app.example.evil",
    "a name that holds it": "https://x-app.example.evil",
    "a dot for any character": "https://appxexample",
    "a part of it": "https://app.exampl",
    "only its end": "https://example",
    "below it": "https://evil.app.example",
    "null": "null",
    "upper case": "https://APP.example",
    "an upper case scheme": "HTTPS://app.example",
    "another port": "https://app.example:8443",
    "the default port": "https://app.example:443",
    "an empty port": "https://app.example:",
    "user information": "https://app.example@evil.example",
    "it as user information": "https://app.example:pass@evil.example",
    "user information before it": "https://evil@app.example",
    "scheme downgrade": "http://app.example",
    "another scheme": "chrome-extension://app.example",
    "no scheme": "app.example",
    "relative": "//app.example",
    "a path": "https://app.example/",
    "a query": "https://app.example?",
    "a fragment": "https://app.example#",
    "a dot behind": "https://app.example.",
    "a backslash": "https://app.example\\.evil.example",
    "a space and more": "https://app.example https://evil.example",
    "a list": "https://app.example,https://evil.example",
    "a Cyrillic letter": "https://\u0430pp.example",
    "its punycode": "https://xn--pp-6kc.example",
    "full-width letters": "https://\uff41pp.example",
    "a zero-width space": "https://app\u200b.example",
    "an underscore": "https://app_.example",
    "a backquote": "https://app.example`.evil.example",
    "an escaped NUL": "https://app.example%00.evil.example",
    "any": "*",
    "empty": "",
}
BELOW = {
    "the name itself": "https://shop.example",
    "a name that ends like it": "https://evilshop.example",
    "an empty label": "https://.shop.example",
    "two dots": "https://a..shop.example",
    "user information": "https://evil@a.shop.example",
    "a slash": "https://evil.example/.shop.example",
    "a question mark": "https://evil.example?.shop.example",
    "a fragment": "https://evil.example#.shop.example",
    "a backslash": "https://evil.example\\.shop.example",
    "a port before it": "https://evil.example:80.shop.example",
    "upper case": "https://A.shop.example",
    "downgrade": "http://a.shop.example",
    "another port": "https://a.shop.example:444",
    "more behind": "https://a.shop.example.evil",
    "a percent sign": "https://evil.example%2f.shop.example",
    "a brace": "https://evil.example{.shop.example",
    "a Unicode dot": "https://evil.example\u3002shop.example",
}


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    cors = {"origins": [ALLOWED, "https://*.shop.example"], "credentials": True, "allow_headers": ["x-api-key"]}
    config = configuration(tmp_path_factory.mktemp("rig"), middleware=["request_id", {"cors": cors}])
    return build_rig(config)


@pytest.fixture
def gateway(policed: Rig) -> Rig:
    policed.forget()
    policed.services["open"].headers = {}
    return policed


async def asked(gateway: Rig, origin: str) -> list[Answer]:
    """The answers to a preflight, and to requests that are served, refused and unknown."""
    page = ("Origin", origin.encode())
    preflight = (page, ("Access-Control-Request-Method", "GET"))
    return [
        await gateway.ask("/admin/users", *preflight, method="OPTIONS"),
        await gateway.ask("/admin/users", page, key(ADMIN_KEY)),
        await gateway.ask("/admin/users", page),
        await gateway.ask("/%zz", page),
    ]


def readable(answer: Answer) -> bool:
    return any(name.startswith("access-control-") for name, _ in answer.headers)


async def test_what_the_attacks_imitate_is_allowed(gateway: Rig) -> None:
    """Nothing: without this the tests below could all pass for another reason."""
    for origin in (ALLOWED, "https://a.shop.example", "https://a.b.shop.example"):
        preflight, served, unknown, _ = await asked(gateway, origin)
        assert (preflight.status, served.status, unknown.status) == (204, 200, 401)
        for answer in (preflight, served, unknown):
            assert answer.headers.get_all("access-control-allow-origin") == [origin]
            assert answer.headers.get_all("access-control-allow-credentials") == ["true"]


@pytest.mark.parametrize("name", TRICKS)
async def test_an_origin_that_only_looks_like_the_allowed_one(gateway: Rig, name: str) -> None:
    """A page of one's own, under a name that a careless comparison takes for the allowed one."""
    preflight, served, *refusals = await asked(gateway, TRICKS[name])
    assert (preflight.status, preflight.code) == (403, "origin-denied")
    assert served.status == 200
    assert not any(readable(answer) for answer in (preflight, served, *refusals))
    assert "Origin" in (served.headers.get("vary") or "")
    assert gateway.reached() == 1, "the preflight goes no further"


@pytest.mark.parametrize("name", BELOW)
async def test_an_origin_that_only_looks_like_one_below_an_allowed_name(gateway: Rig, name: str) -> None:
    """The same, around the star of a pattern."""
    preflight, served, *refusals = await asked(gateway, BELOW[name])
    assert preflight.status == 403
    assert not any(readable(answer) for answer in (preflight, served, *refusals))


async def test_two_origins(gateway: Rig) -> None:
    """One to be checked, one to be echoed."""
    for first, second in ((ALLOWED, "https://evil.example"), ("https://evil.example", ALLOWED)):
        answer = await gateway.ask("/page", ("Origin", first), ("Origin", second))
        assert answer.headers.get_all("access-control-allow-origin") in ([], [ALLOWED])
        assert "evil" not in repr(answer.headers)


async def test_an_origin_with_a_line_end_is_never_echoed(gateway: Rig) -> None:
    """To write a header of the answer, and so poison a cache."""
    answer = await gateway.ask("/page", ("Origin", ALLOWED.encode() + b"\r\nX-Evil: 1"))
    assert not readable(answer)


async def test_a_service_cannot_open_what_the_policy_closes(gateway: Rig) -> None:
    """A service behind that echoes whatever origin it sees."""
    gateway.services["open"].headers = {
        "Access-Control-Allow-Origin": "https://evil.example",
        "Access-Control-Allow-Credentials": "true",
    }
    answer = await gateway.ask("/page", ("Origin", "https://evil.example"))
    assert answer.status == 200
    assert not readable(answer)


async def test_a_preflight_gives_nothing_away_and_needs_nothing(gateway: Rig) -> None:
    """To learn from a preflight which paths there are, or to reach a service with it."""
    page = (("Origin", ALLOWED), ("Access-Control-Request-Method", "DELETE"))
    answers = [
        await gateway.ask(target, *page, method="OPTIONS") for target in ("/admin/users", "/nowhere", "/orders/1")
    ]
    assert {answer.status for answer in answers} == {204}
    assert len({repr(answer.headers.without("x-request-id")) for answer in answers}) == 1
    assert all(service.seen == [] for service in gateway.services.values())


async def test_a_page_cannot_reach_into_a_private_network(gateway: Rig) -> None:
    """A public page that asks for an address behind its visitor's firewall."""
    page = (("Origin", ALLOWED), ("Access-Control-Request-Method", "GET"))
    answer = await gateway.ask("/page", *page, ("Access-Control-Request-Private-Network", "true"), method="OPTIONS")
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize(
    "cors",
    [
        {"origins": ["*"], "credentials": True},
        {"origins": [ALLOWED], "credentials": True, "methods": ["*"]},
        {"origins": [ALLOWED], "credentials": True, "allow_headers": ["*"]},
        {"origins": ["null"]},
        {"origins": ["https://*"]},
        {"origins": ["https://*.example"]},
        {"origins": ["https://*app.example"]},
        {"origins": ["*://app.example"]},
    ],
)
def test_a_policy_for_everybody_with_credentials_is_not_built(tmp_path: Path, cors: dict[str, object]) -> None:
    """A mistake in the configuration, by which any page could act as its visitor."""
    with pytest.raises(ConfigurationError, match=r"middleware\[0\].cors"):
        build_rig(configuration(tmp_path, middleware=[{"cors": cors}]))


async def test_a_wildcard_never_goes_with_credentials(tmp_path: Path) -> None:
    """The page of anybody, acting with the cookies of its visitor."""
    async with rig(tmp_path, middleware=[{"cors": {"origins": ["*"]}}]) as gateway:
        for origin in ("https://evil.example", "null", ALLOWED):
            for answer in await asked(gateway, origin):
                assert answer.headers.get_all("access-control-allow-credentials") == []
                assert answer.headers.get("access-control-allow-origin") in (None, "*")
