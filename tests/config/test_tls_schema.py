"""TLS in the configuration: what it may say, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.config.mtls_schema import MtlsConfig, check_mtls
from api_gateway.config.problems import key_path
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.config.tls_schema import ListenTlsConfig, ServiceTlsConfig, check_service_tls
from api_gateway.config.validate import validate

ONE = {"cert_file": "a.pem", "key_file": "a.key"}


def _listen(**more: Any) -> ListenTlsConfig:
    return ListenTlsConfig.model_validate({**ONE, **more})


def _refusal(model: Any, document: Any) -> str:
    with pytest.raises(ValidationError) as refusal:
        model.model_validate(document)
    return "; ".join(line["msg"] for line in refusal.value.errors())


def test_one_certificate_has_a_short_form() -> None:
    tls = _listen(key_password="secret")
    (pair,) = tls.pairs
    assert (pair.cert_file, pair.key_file) == (Path("a.pem"), Path("a.key"))
    assert pair.key_password is not None
    assert pair.key_password.get_secret_value() == "secret"
    assert (tls.min_version, tls.client_certificate, tls.strict_sni) == ("1.2", "none", False)


def test_several_certificates_keep_their_order() -> None:
    tls = ListenTlsConfig.model_validate({"certificates": [ONE, {"cert_file": "b.pem", "key_file": "b.key"}]})
    assert [str(pair.cert_file) for pair in tls.pairs] == ["a.pem", "b.pem"]


def test_whoever_names_authorities_wants_certificates() -> None:
    assert _listen(client_ca_file="ca.pem").client_certificate == "required"
    assert _listen(client_ca_file="ca.pem", client_certificate="optional").client_certificate == "optional"


@pytest.mark.parametrize(("written", "seconds"), [("21d", 21 * 86400.0), ("36h", 36 * 3600.0), (60, 60.0)])
def test_warn_before_may_be_in_days(written: object, seconds: float) -> None:
    assert _listen(warn_before=written).warn_before == seconds


@pytest.mark.parametrize("written", ["1.3", 1.3])
def test_a_version_without_quotes_is_understood(written: object) -> None:
    assert _listen(min_version=written).min_version == "1.3"


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({}, "there is no certificate"),
        ({"cert_file": "a.pem"}, "there is no certificate, or no key for it"),
        ({**ONE, "certificates": [ONE]}, "exclude each other"),
        ({"certificates": [ONE, ONE]}, "there twice"),
        ({**ONE, "client_certificate": "required"}, "needs authorities"),
        ({**ONE, "client_certificate": "optional"}, "needs authorities"),
        ({**ONE, "client_ca_file": "ca.pem", "client_certificate": "none"}, "has nothing to verify"),
        ({**ONE, "client_certificate": "maybe"}, "unknown client_certificate 'maybe'"),
        ({**ONE, "min_version": "1.1"}, "unknown min_version '1.1'"),
        ({**ONE, "public_port": 443}, "nothing to do without a redirect"),
        ({**ONE, "handshake_timeout": 0}, "the duration is zero"),
        ({**ONE, "redirect_port": 70000}, "out of range"),
        ({**ONE, "cipher": "all"}, "unknown key 'cipher'"),
    ],
)
def test_what_contradicts_itself_is_refused(document: object, cause: str) -> None:
    assert cause in _refusal(ListenTlsConfig, document)


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"cert_file": "a.pem"}, "needs both"),
        ({"key_file": "a.key"}, "needs both"),
        ({"key_password": "x"}, "no key to open"),
        ({"verify": False, "ca_file": "ca.pem"}, "nothing to verify with"),
        ({"verify": "no"}, "expected true or false"),
        ({"server_name": "https://a"}, "expected the name"),
    ],
)
def test_a_service_that_contradicts_itself_is_refused(document: object, cause: str) -> None:
    assert cause in _refusal(ServiceTlsConfig, document)


def test_a_service_is_verified_unless_the_opposite_is_written() -> None:
    options = ServiceTlsConfig.model_validate({"ca_file": "ca.pem", "server_name": "billing.internal"}).options()
    assert (options.verify, options.ca_file, options.server_name) == (True, Path("ca.pem"), "billing.internal")
    assert not ServiceTlsConfig.model_validate({"verify": False}).options().verify


def test_passwords_are_not_shown() -> None:
    listen = _listen(key_password="correct horse")
    service = ServiceTlsConfig.model_validate({**ONE, "key_password": "correct horse"})
    shown = [repr(listen), repr(listen.pairs), str(service), repr(service.options()), listen.model_dump_json()]
    assert "correct horse" not in "".join(shown)
    assert "correct horse" not in _refusal(ListenTlsConfig, {"key_password": "correct horse"})


def test_both_have_their_place_in_a_configuration() -> None:
    document = {
        "listen": {"port": 8443, "tls": {**ONE, "client_ca_file": "ca.pem", "redirect_port": 8080}},
        "services": {"a": {"endpoints": ["https://127.0.0.1:9"], "tls": {"ca_file": "ca.pem"}}},
        "routes": [{"path": "/*", "service": "a"}],
    }
    config, findings = validate(document)
    assert findings == []
    assert config is not None
    assert config.listen.tls is not None
    assert config.listen.tls.redirect_port == 8080
    assert config.services["a"].tls is not None
    assert GatewayConfig.model_json_schema()["$defs"]["ListenTlsConfig"]["properties"]["min_version"]
    assert ServiceConfig().tls is None


def test_mtls_needs_no_options() -> None:
    config = MtlsConfig.model_validate({})
    assert (config.identity_from, config.allow) == (None, None)


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"identity_from": "email"}, "unknown identity_from 'email'"),
        ({"allow": []}, "nobody could come in"),
        ({"allow": ["*"]}, "'*' where it has no meaning"),
        ({"allow": ["a.*.test"]}, "'*' where it has no meaning"),
        ({"allow": ["*."]}, "'*' where it has no meaning"),
        ({"allow": [""]}, "expected text"),
    ],
)
def test_what_mtls_does_not_understand_is_refused(document: object, cause: str) -> None:
    assert cause in _refusal(MtlsConfig, document)


def test_mtls_without_a_listener_that_asks_is_found() -> None:
    path = ("middleware", 0, "auth", "any_of", 1, "mtls")
    assert [*check_mtls([path], verified=True)] == []
    (finding,) = check_mtls([path], verified=False)
    assert key_path(finding.path) == "middleware[0].auth.any_of[1].mtls"
    assert "client_ca_file" in finding.remedy


def test_tls_for_a_service_without_https_is_found() -> None:
    path = ("services", "a", "tls")
    assert [*check_service_tls(path, ["http://a", "https://b"])] == []
    (finding,) = check_service_tls(path, ["http://a"])
    assert finding.path == path
