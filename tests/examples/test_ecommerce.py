"""The sample configuration of a shop: valid, and its routes lead where its comments say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api_gateway import Request, Router
from api_gateway.config.load import load_config
from api_gateway.config.not_yet import NOT_YET
from api_gateway.config.problems import ConfigurationProblems
from api_gateway.config.route_schema import make_route
from api_gateway.config.validate import validate

FILE = Path(__file__).resolve().parents[2] / "examples" / "ecommerce.yaml"
ARRIVING = {*NOT_YET.get("middleware", ()), *NOT_YET.get("route", ())}
"""Names that the language has and this version does not; when there are none, the whole file has to be valid."""


def test_every_line_of_the_file_is_valid_but_for_what_is_not_supported_yet() -> None:
    try:
        load_config(FILE, {})
    except ConfigurationProblems as error:
        messages = [problem.message for problem in error.problems]
        assert ARRIVING, messages
        assert all(message.startswith("not yet supported: ") for message in messages), messages


def written() -> dict[str, Any]:
    """The file; every value a text, because `on` and `no` are words to the gateway, too."""
    document: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), yaml.BaseLoader)
    return document


def without_what_is_not_there_yet() -> dict[str, Any]:
    document = written()
    document["listen"]["port"] = 8080
    document["routes"] = [route for route in document["routes"] if not ARRIVING & {*route}]
    for route in document["routes"]:
        route["middleware"] = [entry for entry in route["middleware"] if not ARRIVING & {*entry}]
        for entry in route["middleware"]:
            if "auth" in entry:
                entry["auth"]["jwt"]["jwks_url"] = "https://id.shop.example/jwks"
    return document


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("GET", "/api/products/7", "product-service"),
        ("GET", "/api/users/me", "user-service"),
        ("GET", "/api/orders/42", "order-service"),
        ("POST", "/api/checkout", "checkout-service"),
    ],
)
def test_a_request_goes_to_the_service_of_its_path(method: str, path: str, service: str) -> None:
    config, findings = validate(without_what_is_not_there_yet())
    assert config is not None, findings
    router = Router([make_route(route) for route in config.routes if route.service])
    assert router.match(Request(method, path)).route.service == service


def test_nothing_that_writes_is_sent_twice_by_the_gateway() -> None:
    config, _ = validate(without_what_is_not_there_yet())
    assert config is not None
    for name in ("checkout-service", "payment-service"):
        service = config.services[name]
        assert (service.retry, service.hedge, service.fallback) == (None, None, None)


def test_every_route_but_the_products_asks_who_is_calling() -> None:
    for route in written()["routes"]:
        asks = any("auth" in entry for entry in route["middleware"])
        assert asks == (route["path"] != "/api/products/*")
