"""The sample configuration of a shop: valid, and its routes lead where its comments say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api_gateway import Request, Router
from api_gateway.config.load import load_config
from api_gateway.config.route_schema import make_route
from api_gateway.config.validate import validate

FILE = Path(__file__).resolve().parents[2] / "examples" / "ecommerce.yaml"


def test_the_file_is_valid() -> None:
    load_config(FILE, {})


def written() -> dict[str, Any]:
    """The file; every value a text, because `on` and `no` are words to the gateway, too."""
    document: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), yaml.BaseLoader)
    return document


def expanded() -> dict[str, Any]:
    document = written()
    document["listen"]["port"] = 8080
    for route in document["routes"]:
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
    config, findings = validate(expanded())
    assert config is not None, findings
    router = Router([make_route(route) for route in config.routes if route.service])
    assert router.match(Request(method, path)).route.service == service


def test_nothing_that_writes_is_sent_twice_by_the_gateway() -> None:
    config, _ = validate(expanded())
    assert config is not None
    for name in ("checkout-service", "payment-service"):
        service = config.services[name]
        assert (service.retry, service.hedge, service.fallback) == (None, None, None)


def test_every_route_but_the_products_asks_who_is_calling() -> None:
    for route in written()["routes"]:
        asks = any("auth" in entry for entry in route["middleware"])
        assert asks == (route["path"] != "/api/products/*")
