"""An origin is a scheme, a host and a port; nothing else is the shop."""

from __future__ import annotations

from random import Random

from broken import CorsMiddleware

from api_gateway import Headers, Request, RequestContext, Response, chain
from api_gateway.simulation import run

SHOP = "https://shop.example"


def answer_to(origin: str | None, own: str = "") -> Headers:
    async def scenario() -> Headers:
        async def service(request: Request, context: RequestContext) -> Response:
            return Response(200, {"vary": own} if own else {}, b"orders")

        headers = {"origin": origin} if origin is not None else {}
        return (await chain([CorsMiddleware()], service)(Request("GET", "/", headers), RequestContext())).headers

    return run(scenario)


def admitted(origin: str) -> bool:
    return answer_to(origin).get("access-control-allow-origin") == origin


def test_the_shops_own_pages_may_read() -> None:
    for origin in (SHOP, "https://www.shop.example", "https://a.b.shop.example"):
        assert admitted(origin), f"{origin} is the shop, and was refused"


def test_a_name_that_only_ends_alike_may_not() -> None:
    for origin in ("https://evil-shop.example", "https://evilshop.example", "https://xshop.example"):
        assert not admitted(origin), (
            f"{origin} can be bought by anybody, and may now read orders with the users' cookies"
        )


def test_another_scheme_or_port_is_another_origin() -> None:
    for origin in ("http://shop.example", "https://shop.example:8443", "ftp://shop.example", "null", "shop.example"):
        assert not admitted(origin), f"{origin} is not an origin of the shop's https pages, and was admitted"


def test_caches_are_told_that_the_answer_depends_on_the_origin() -> None:
    for origin in (SHOP, "https://other.example", None):
        names = [name.lower() for name in answer_to(origin).tokens("vary")]
        assert "origin" in names, f"origin {origin}: a cache may keep this answer for other origins; Vary has {names}"
    names = [name.lower() for name in answer_to(SHOP, own="Accept-Language").tokens("vary")]
    assert set(names) == {"origin", "accept-language"}, f"the service's own Vary must stay; Vary has {names}"


def test_nothing_that_was_put_together_gets_in() -> None:
    random = Random(6)
    parts = [
        "https://",
        "http://",
        "shop.example",
        "evil.example",
        ".",
        "e-x",
        "@",
        "/",
        "#",
        "?",
        ":443",
        "%2e",
        "\\",
        " ",
    ]
    for _ in range(3_000):
        origin = (
            "https://" + "".join(random.choices(parts, k=random.randrange(1, 5))) + random.choice(["", "shop.example"])
        )
        labels = origin.removeprefix("https://").split(".")
        shop = labels[-2:] == ["shop", "example"] and all(label.replace("-", "").isalnum() for label in labels[:-2])
        assert CorsMiddleware().admits(origin) == shop, f"{origin!r} is {'' if shop else 'not '}an origin of the shop"
