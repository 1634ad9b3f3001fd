"""Writing configuration files, and reading what is said of them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from api_gateway.config.load import load_config
from api_gateway.config.problems import ConfigurationProblems
from api_gateway.config.schema import GatewayConfig

NO_ENVIRONMENT: Mapping[str, str] = {}


def load_text(text: str | bytes, environment: Mapping[str, str] = NO_ENVIRONMENT) -> GatewayConfig:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "gateway.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(path, environment)


def problems_of(text: str | bytes, environment: Mapping[str, str] = NO_ENVIRONMENT) -> list[str]:
    """Every problem as `LINE:COLUMN: message`, in the order in which they are reported; none for a good file."""
    try:
        load_text(text, environment)
    except ConfigurationProblems as error:
        for problem in error.problems:
            assert Path(problem.file).name == "gateway.yaml"
        return [f"{problem.line}:{problem.column}: {problem.message}" for problem in error.problems]
    return []


def with_service(*routes: str) -> str:
    """A file whose service is `users` at line 1, and whose routes begin at line 3, one a line."""
    lines = [
        "services: {users: {endpoints: [http://127.0.0.1:9001]}}",
        "routes:",
        *(f"  - {route}" for route in routes),
    ]
    return "\n".join(lines) + "\n"
