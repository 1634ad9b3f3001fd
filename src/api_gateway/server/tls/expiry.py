"""Expiry: warns before a certificate of the listener ends, because nobody notices until it has.

| metric                                       | labels     | is                                                   |
|----------------------------------------------|------------|------------------------------------------------------|
| api_gateway_certificate_expiry_seconds       | name, file | the wall-clock time, in seconds, at which it ends     |
| api_gateway_certificate_reloads_total        | result     | changes of files, `loaded` or `failed`               |
| api_gateway_tls_handshake_failures_total     |            | connections that never got as far as a request        |

Rule: the metric is the moment itself and not what is left, so it changes only when the certificate does, and
`... - time() < 7 * 86400` is the alert. The log says the same at the start, at each reload and once a day.

A certificate that has expired is served all the same, with an error in the log: clients refuse it, and the next
reload mends it, which a gateway that had not started could not do.

Bound: one series for each certificate of the configuration. With several workers each shows its own.

Source: the same metric in Prometheus' blackbox exporter (`probe_ssl_earliest_cert_expiry`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:  # cryptography comes with it, which a gateway without TLS does not need
    from api_gateway.server.tls.certificate import Certificate

DAY = 86400.0

_log = logging.getLogger("api_gateway.tls")


def warn_of_expiry(certificates: Iterable[Certificate], now: float, warn_before: float) -> None:
    """One line in the log for each certificate that ends within `warn_before` seconds of `now`, or has ended."""
    for certificate in certificates:
        left = certificate.not_after - now
        if left < 0:
            _log.error("the certificate of %s (%s) has expired", certificate.label, certificate.file)  # not a defect
        elif left < warn_before:
            _log.warning(
                "the certificate of %s (%s) expires in %.1f days", certificate.label, certificate.file, left / DAY
            )


class Rotating(Protocol):
    """The certificates of a listener."""

    @property
    def certificates(self) -> Iterable[Certificate]:
        """As they are now."""
        ...

    @property
    def reloads(self) -> int:
        """Changes that were loaded."""
        ...

    @property
    def failures(self) -> int:
        """Changes that could not be."""
        ...


class TlsMetrics(Collector):
    """The listener's TLS, for whoever is woken at night; register it where the gateway's other metrics are."""

    def __init__(self, certificates: Rotating, handshake_failures: Callable[[], int]) -> None:
        self._certificates = certificates
        self._handshake_failures = handshake_failures

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        expiry = GaugeMetricFamily(
            "api_gateway_certificate_expiry_seconds", "When it ends, in Unix time.", labels=["name", "file"]
        )
        for certificate in self._certificates.certificates:
            expiry.add_metric([certificate.label, str(certificate.file)], certificate.not_after)
        reloads = CounterMetricFamily(
            "api_gateway_certificate_reloads", "Changes of certificate files.", labels=["result"]
        )
        reloads.add_metric(["loaded"], self._certificates.reloads)
        reloads.add_metric(["failed"], self._certificates.failures)
        failures = CounterMetricFamily(
            "api_gateway_tls_handshake_failures", "Connections that never got as far as a request."
        )
        failures.add_metric([], self._handshake_failures())
        yield from (expiry, reloads, failures)
