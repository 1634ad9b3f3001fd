"""Who a client certificate says is calling."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from api_gateway import Request, RequestContext
from api_gateway.auth import mtls
from api_gateway.auth.authenticator import Authenticator, InvalidCredentials
from api_gateway.auth.mtls import MtlsAuthenticator
from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.identity import Identity

END = 2_000.0
CERTIFICATE = ClientCertificate(
    subject="CN=billing,O=Example",
    common_name="billing",
    issuer="CN=authority",
    serial_number="1f",
    dns_names=("Billing.internal.example", "second.example"),
    uris=("spiffe://example.org/pay/billing",),
    not_after=END,
    fingerprint="ab" * 32,
)


class Wall:
    """A clock that stands."""

    def __init__(self, seconds: float = 1_000.0) -> None:
        self.seconds = seconds

    def monotonic(self) -> int:
        return 0

    def wall(self) -> float:
        return self.seconds


def _ask(authenticator: Authenticator, certificate: ClientCertificate | None, **headers: str) -> Identity | None:
    context = RequestContext()
    context.client_certificate = certificate
    return asyncio.run(authenticator.authenticate(Request("GET", "/", headers=headers), context))


def _subject(certificate: ClientCertificate = CERTIFICATE, **options: Any) -> str:
    identity = _ask(MtlsAuthenticator(Wall(), **options), certificate)
    assert identity is not None
    return identity.subject


def test_the_identity_is_what_the_certificate_says() -> None:
    identity = _ask(MtlsAuthenticator(Wall()), CERTIFICATE)
    assert identity is not None
    assert (identity.subject, identity.method) == ("spiffe://example.org/pay/billing", "mtls")
    assert (identity.issuer, identity.expires) == ("CN=authority", END)
    assert identity.claims == {"fingerprint": "ab" * 32, "serial_number": "1f"}


def test_uri_before_dns_before_common_name() -> None:
    assert _subject() == "spiffe://example.org/pay/billing"
    assert _subject(replace(CERTIFICATE, uris=())) == "billing.internal.example"
    assert _subject(replace(CERTIFICATE, uris=(), dns_names=())) == "billing"


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("subject", "CN=billing,O=Example"),
        ("common_name", "billing"),
        ("dns", "billing.internal.example"),
        ("uri", "spiffe://example.org/pay/billing"),
    ],
)
def test_the_kind_of_name_can_be_chosen(kind: str, subject: str) -> None:
    assert _subject(identity_from=kind) == subject


def test_no_certificate_is_no_credentials_whatever_headers_say() -> None:
    forged = {"x-client-cert": "-----BEGIN CERTIFICATE-----", "x-forwarded-client-cert": "Subject=CN=billing"}
    authenticator = MtlsAuthenticator(Wall())
    assert _ask(authenticator, None, **forged) is None
    assert authenticator.credential_headers == frozenset()
    assert authenticator.challenge == ""


@pytest.mark.parametrize(
    ("certificate", "options"),
    [
        (replace(CERTIFICATE, uris=()), {"identity_from": "uri"}),
        (replace(CERTIFICATE, dns_names=()), {"identity_from": "dns"}),
        (replace(CERTIFICATE, common_name=""), {"identity_from": "common_name"}),
        (replace(CERTIFICATE, uris=(), dns_names=(), common_name=""), {}),
        (replace(CERTIFICATE, uris=("spiffe://a/b\r\nx-user-id: root",)), {}),
        (replace(CERTIFICATE, uris=("spiffe://a/" + "x" * 600,)), {}),
        (CERTIFICATE, {"allow": ["spiffe://example.org/other"]}),
        (CERTIFICATE, {"allow": []}),
    ],
)
def test_a_certificate_without_a_usable_name_is_refused(certificate: ClientCertificate, options: Any) -> None:
    with pytest.raises(InvalidCredentials) as refusal:
        _ask(MtlsAuthenticator(Wall(), **options), certificate)
    assert "example" not in str(refusal.value)


def test_a_connection_does_not_outlive_its_certificate() -> None:
    clock = Wall()
    authenticator = MtlsAuthenticator(clock)
    assert _ask(authenticator, CERTIFICATE) is not None
    clock.seconds = END + 1  # the identity is remembered by now
    with pytest.raises(InvalidCredentials, match="expired"):
        _ask(authenticator, CERTIFICATE)


def test_an_identity_is_made_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mtls, "MOST_KEPT", 2)
    authenticator = MtlsAuthenticator(Wall())
    first = _ask(authenticator, CERTIFICATE)
    assert _ask(authenticator, CERTIFICATE) is first
    for number in range(5):
        _ask(authenticator, replace(CERTIFICATE, fingerprint=str(number)))
    assert len(authenticator._known) == 2
    again = _ask(authenticator, CERTIFICATE)
    assert again is not first
    assert again is not None
    assert first is not None
    assert again.key == first.key


@pytest.mark.parametrize(
    ("kind", "pattern", "admitted", "refused"),
    [
        ("uri", "spiffe://a/*", ["spiffe://a/x", "spiffe://a/x/y"],
         ["spiffe://a/", "spiffe://a", "spiffe://ab/x", "spiffe://a/../b", "spiffe://a//x", "https://spiffe://a/x"]),
        ("uri", "spiffe://a/x", ["spiffe://a/x"], ["spiffe://a/xy", "spiffe://A/x"]),
        ("dns", "*.a.test", ["x.a.test", "X.A.test"], ["a.test", "y.x.a.test", "xa.test", ".a.test", "*.a.test"]),
        ("dns", "X.a.test", ["x.a.test", "X.A.TEST"], ["y.a.test"]),
        ("common_name", "*.a.test", ["x.a.test"], ["a.test", "y.x.a.test"]),
        ("common_name", "billing", ["billing"], ["Billing", "billing2"]),
    ],
)  # fmt: skip
def test_what_a_pattern_admits(kind: Any, pattern: str, admitted: list[str], refused: list[str]) -> None:
    def certificate(name: str) -> ClientCertificate:
        return replace(CERTIFICATE, uris=(name,), dns_names=(name,), common_name=name, fingerprint=name)

    authenticator = MtlsAuthenticator(Wall(), identity_from=kind, allow=["other", pattern])
    for name in admitted:
        assert _ask(authenticator, certificate(name)) is not None, name
    for name in refused:
        with pytest.raises(InvalidCredentials):
            _ask(authenticator, certificate(name))


def test_the_first_name_that_is_allowed_is_the_identity() -> None:
    assert _subject(identity_from="dns", allow=["second.example"]) == "second.example"
