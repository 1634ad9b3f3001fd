"""Listener context: what the gateway's own end of a TLS connection speaks.

| decided | why |
|---|---|
| TLS 1.2 and 1.3 | 1.0 and 1.1 are deprecated (RFC 8996) |
| of 1.2 only ECDHE with AES-GCM or ChaCha20 | forward secrecy and authenticated encryption (RFC 9325 section 4.2) |
| the client chooses among them | all are strong, and it knows what is fast on its machine |
| no compression, no renegotiation | CRIME; a handshake costs us more than the client |
| ALPN `http/1.1` | a client that can do HTTP/2 learns at once that we do not |
| with client certificates: no session tickets | resuming skips verification, and would outlive the authority |

Client certificates are verified for the purpose of client authentication, against the authorities given and no
others. Sessions are never shared between contexts, so a rotation ends them all (`certificate_store.py`).

What it does not do: advertise the authorities' names, or check revocation.
"""

from __future__ import annotations

import ssl

from api_gateway.config.tls_schema import CertificateConfig, ListenTlsConfig
from api_gateway.server.tls.certificate import Certificate
from api_gateway.server.tls.certificate_store import CertificateStore
from api_gateway.server.tls.handshake import ListenerConnection
from api_gateway.transport.upstream_tls import load_authorities, load_pair

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""Of TLS 1.2, in OpenSSL's words; those of 1.3 are all as good."""

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def load_store(config: ListenTlsConfig) -> CertificateStore:
    """Read every file of `config`.

    Raises:
        ConfigurationError: one cannot be used.
    """
    entries = [(Certificate.read(pair.cert_file), listener_context(config, pair)) for pair in config.pairs]
    return CertificateStore(entries, strict=config.strict_sni)


def listener_context(config: ListenTlsConfig, pair: CertificateConfig) -> ssl.SSLContext:
    """The context that shows the certificate of `pair`.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = ListenerConnection
    context.minimum_version = _VERSIONS[config.min_version]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    password = pair.key_password.get_secret_value() if pair.key_password else None
    load_pair(context, pair.cert_file, pair.key_file, password)
    if config.client_ca_file is not None:
        load_authorities(context, config.client_ca_file)
        context.verify_mode = _VERIFY[config.client_certificate]
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context
