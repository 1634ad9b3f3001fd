"""The public names: what users import. Adding one is deliberate; losing one breaks them."""

import subprocess
import sys

import api_gateway

PUBLIC = [
    "ApiGateway",
    "BackendService",
    "ConfigurationError",
    "Endpoint",
    "GatewayError",
    "Handler",
    "Headers",
    "LoadBalancer",
    "Middleware",
    "Observer",
    "Request",
    "RequestContext",
    "Response",
    "RoundRobinLoadBalancer",
    "Route",
    "Router",
    "build_gateway",
    "chain",
]


def test_the_public_names_are_these() -> None:
    assert sorted(api_gateway.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(api_gateway, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(api_gateway, "build_gatewy")


def test_importing_the_package_does_not_import_what_is_heavy() -> None:
    heavy = "{'pydantic', 'yaml', 'uvicorn', 'starlette', 'httpx2', 'prometheus_client'}"
    code = f"import sys, api_gateway; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
