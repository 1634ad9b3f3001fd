"""A prefix ends where a segment ends, and the longest one wins."""

from __future__ import annotations

from random import Random

from broken import PrefixRouter

from api_gateway import ApiGateway, Request, RequestContext, Response
from api_gateway.simulation import run


def test_a_prefix_stands_for_itself_and_what_is_below_it() -> None:
    router = PrefixRouter({"/users": "users"})
    for path in ("/users", "/users/", "/users/42", "/users/42/orders"):
        assert router.find(path) == "users", f"{path} belongs to the route /users, and found {router.find(path)}"


def test_a_prefix_ends_at_the_end_of_a_segment() -> None:
    async def ask(path: str) -> int:
        async def users(request: Request, context: RequestContext) -> Response:
            return Response.json({"path": request.path})

        gateway = ApiGateway(PrefixRouter({"/users": "users"}), {"users": users})
        return (await gateway.handle(Request("GET", path))).status

    for path in ("/usersX-export", "/users-for-sale", "/users2/42"):
        status = run(ask, path)
        assert status == 404, f"{path} was answered with {status} by the service of /users, which never offered it"


def test_the_order_of_routes_decides_nothing() -> None:
    for routes in (["/api", "/api/orders", "/"], ["/", "/api/orders", "/api"], ["/api/orders", "/", "/api"]):
        router = PrefixRouter({prefix: prefix for prefix in routes})
        found = router.find("/api/orders/7")
        assert found == "/api/orders", f"with the routes in the order {routes}, /api/orders/7 went to {found}"


def test_any_table_agrees_with_the_definition() -> None:
    random = Random(1)
    words = ["a", "ab", "b", "abc"]

    def any_path(longest: int) -> str:
        return "/" + "/".join(random.choices(words, k=random.randrange(longest + 1)))

    for _ in range(2_000):
        prefixes = {any_path(3) for _ in range(4)}
        path = any_path(4)
        segments = path.strip("/").split("/") if path != "/" else []
        fitting = [
            prefix
            for prefix in prefixes
            if (own := prefix.strip("/").split("/") if prefix != "/" else []) == segments[: len(own)]
        ]
        expected = max(fitting, key=len, default=None)
        found = PrefixRouter({prefix: prefix for prefix in sorted(prefixes)}).find(path)
        assert found == expected, f"routes {sorted(prefixes)}: {path} must find {expected}, and found {found}"
