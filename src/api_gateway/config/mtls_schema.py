"""mTLS in the configuration: callers who are known by their client certificate.

    - auth: {any_of: [mtls: {identity_from: uri, allow: ["spiffe://example.org/*"]}]}

What it does not do: ask for the certificate. `listen.tls.client_ca_file` does, and without it nobody has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BeforeValidator

from api_gateway.auth.mtls import IdentityFrom
from api_gateway.config.fields import Text, choice
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Path, Refusal


def _pattern(value: object) -> object:
    if isinstance(value, str) and "*" in value:
        rest = value.removeprefix("*.").removesuffix("/*")
        if "*" in rest or not rest:
            raise Refusal(f"{value!r} has '*' where it has no meaning", "begin with '*.', or end in '/*'")
    return value


def _patterns(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        raise Refusal("the list is empty: nobody could come in", "leave it out to admit every verified certificate")
    return value


class MtlsConfig(Model):
    """Identity from a verified client certificate."""

    identity_from: (
        Annotated[IdentityFrom, BeforeValidator(choice("identity_from", "subject", "common_name", "dns", "uri"))] | None
    ) = None
    """Where its name stands. Unless given: its URI (SPIFFE) if it has one, else its DNS name, else its CN."""
    allow: Annotated[tuple[Annotated[Text, BeforeValidator(_pattern)], ...], BeforeValidator(_patterns)] | None = None
    """The names that may come in; `*.` at the front is one label, `/*` at the end all below. All unless given."""


def check_mtls(paths: Iterable[Path], *, verified: bool) -> Iterator[Finding]:
    """For each place with `mtls`: does the listener verify client certificates (`verified`)?"""
    if not verified:
        for path in paths:
            cause = "no client ever shows a certificate: the listener does not ask for one"
            yield Finding(path, cause, "give listen.tls.client_ca_file", at_key=True)
