"""TLS in the configuration: what the gateway shows its clients, and what it wants to see of services.

    listen:
      port: 8443
      tls:
        certificates:                               # or cert_file and key_file beside, for just one
          - {cert_file: api.pem, key_file: api.key}
          - {cert_file: shop.pem, key_file: shop.key, key_password: "${SHOP_KEY_PASSWORD}"}
        client_ca_file: clients.pem                 # callers must show a certificate of these authorities
        redirect_port: 8080                         # plain HTTP, answered with where the same is on HTTPS

    services:
      billing:
        endpoints: [https://10.0.0.7:8443]
        tls: {ca_file: internal.pem, server_name: billing.internal, cert_file: gateway.pem, key_file: gateway.key}

Rule: whoever names authorities for clients wants certificates, so `required` is the default then. Not verifying
a service is possible, and must be written.

What it does not do: read the files. The listener does when it starts, a service's transport when it is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from api_gateway.config.fields import Duration, FilePath, Flag, Port, Secret, Text, choice
from api_gateway.config.model import Model
from api_gateway.config.problems import Finding, Path, Refusal
from api_gateway.config.units import parse_duration
from api_gateway.transport.upstream_tls import UpstreamTlsOptions

ClientCertificates: TypeAlias = Literal["none", "optional", "required"]
"""Whether clients are asked for a certificate, and whether they must have one."""

_DAY = 86400.0
_DAYS = re.compile(r"([0-9]{1,4})d", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9\-._]{1,253}|[0-9A-Fa-f:.]{2,45}", re.ASCII)


def _version(value: object) -> object:
    return choice("min_version", "1.2", "1.3")(str(value) if isinstance(value, float) else value)


def _long_duration(value: object) -> float:
    days = _DAYS.fullmatch(value) if isinstance(value, str) else None
    return int(days.group(1)) * _DAY if days else parse_duration(value)


def _host_name(value: object) -> object:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Refusal("expected the name in the service's certificate", "write a host name without scheme and port")
    return value


LongDuration: TypeAlias = Annotated[
    float,
    BeforeValidator(_long_duration),
    WithJsonSchema({"type": ["string", "number"], "description": "A duration, also in days", "examples": ["21d"]}),
]
"""Seconds."""


class CertificateConfig(Model):
    """One certificate and its key, in PEM."""

    cert_file: FilePath
    """The certificate, and behind it the intermediate ones."""
    key_file: FilePath
    key_password: Secret | None = None
    """Opens an encrypted key."""


class ListenTlsConfig(Model):
    """TLS for clients."""

    certificates: tuple[CertificateConfig, ...] = ()
    """Which of them a client sees is decided by the name it asks for; the first one is for all other names."""
    cert_file: FilePath | None = None
    """With `key_file`: instead of `certificates`, where there is just one."""
    key_file: FilePath | None = None
    key_password: Secret | None = None
    client_ca_file: FilePath | None = None
    """The authorities, in PEM, whose client certificates are believed. No others are, the system's neither."""
    client_certificate: Annotated[
        ClientCertificates, BeforeValidator(choice("client_certificate", "none", "optional", "required"))
    ] = "none"
    """`required` where `client_ca_file` is given, unless said otherwise."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(_version)] = "1.2"
    strict_sni: Flag = False
    """Refuse clients that ask for a name that no certificate has, or for none; else they see the first one."""
    redirect_port: Port | None = None
    """A second port, for plain HTTP, that answers 308 with the same address on HTTPS; 0 lets the system choose."""
    public_port: Port | None = None
    """The port in redirects, where clients reach this one under another number."""
    handshake_timeout: Duration = 10.0
    """Seconds from a connection's start to the end of its handshake."""
    warn_before: LongDuration = 21 * _DAY
    """Seconds before a certificate's end from which on the log warns of it."""

    @model_validator(mode="before")
    @classmethod
    def _required_with_authorities(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("client_ca_file") is not None:
            return {"client_certificate": "required", **data}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> ListenTlsConfig:
        shorthand = (self.cert_file, self.key_file)
        if self.certificates and any((*shorthand, self.key_password)):
            raise Refusal("certificates and cert_file exclude each other", "move it into the list")
        if not self.certificates and None in shorthand:
            raise Refusal("there is no certificate, or no key for it", "give cert_file and key_file, or certificates")
        files = [pair.cert_file for pair in self.pairs]
        if len({*files}) < len(files):
            raise Refusal("a certificate is there twice", "remove one")
        if (self.client_ca_file is None) != (self.client_certificate == "none"):
            if self.client_ca_file is None:
                raise Refusal(f"client_certificate {self.client_certificate} needs authorities", "give client_ca_file")
            raise Refusal("client_ca_file has nothing to verify", "remove it, or client_certificate: none")
        if self.public_port is not None and self.redirect_port is None:
            raise Refusal("public_port has nothing to do without a redirect", "remove it, or give redirect_port")
        return self

    @property
    def pairs(self) -> tuple[CertificateConfig, ...]:
        """The certificates, however they were written."""
        if self.cert_file is None or self.key_file is None:
            return self.certificates
        one = {"cert_file": self.cert_file, "key_file": self.key_file, "key_password": self.key_password}
        return (CertificateConfig.model_construct(None, **one),)  # each was checked already


class ServiceTlsConfig(Model):
    """TLS towards a service's `https` endpoints."""

    ca_file: FilePath | None = None
    """The authorities, in PEM, that may vouch for it; the system's unless given."""
    server_name: Annotated[Text, BeforeValidator(_host_name)] | None = None
    """The name to ask for, and to find in its certificate; the endpoint's host unless given."""
    cert_file: FilePath | None = None
    """With `key_file`: what the gateway shows where a service wants to know who is calling."""
    key_file: FilePath | None = None
    key_password: Secret | None = None
    verify: Flag = True
    """`false` believes whoever answers. The log says so at every start."""

    @model_validator(mode="after")
    def _consistent(self) -> ServiceTlsConfig:
        if (self.cert_file is None) != (self.key_file is None):
            raise Refusal("a client certificate needs both cert_file and key_file", "give both, or none")
        if self.key_password is not None and self.key_file is None:
            raise Refusal("key_password has no key to open", "give key_file, or remove it")
        if not self.verify and self.ca_file is not None:
            raise Refusal("ca_file has nothing to verify with verify: false", "remove one of them")
        return self

    def options(self) -> UpstreamTlsOptions:
        """What the transport takes."""
        password = self.key_password.get_secret_value() if self.key_password else None
        return UpstreamTlsOptions(
            self.ca_file, self.server_name, self.cert_file, self.key_file, password, verify=self.verify
        )


def check_service_tls(path: Path, urls: Iterable[str]) -> Iterator[Finding]:
    """Whether the `tls` at `path` has an endpoint among `urls` to speak it with."""
    if not any(url.startswith("https:") for url in urls):
        yield Finding(path, "no endpoint of this service is https", "write https://..., or remove tls", at_key=True)
