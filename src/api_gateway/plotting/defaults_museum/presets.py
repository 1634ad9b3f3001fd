"""The exhibits: defaults of well-known proxies and libraries, each with its source, purpose, and what is left out.

Rule: only numbers that the product's own documentation gives. Where a mechanism is off unless asked for, that is the
default, and it is off here too; a name then says what was asked for.

What it does not do: rank. A library for one dependency and a proxy for all of them are not the same kind of thing.
"""

from __future__ import annotations

from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.plotting.defaults_museum.preset import Breaker, Preset, Retries

_NO_ANSWER = ("connect_error", "reset", "timeout")
_GATEWAY_ERRORS = ("connect_error", 502, 503, 504)

ENVOY = Preset(
    "Envoy, as it comes",
    "Envoy v3 API (2020 on): route timeout",
    "being told: nearly everything is there, and off unless asked for",
    "limits of 1,024 requests and connections, which are out of reach here",
    timeout=15.0,
    deadline=15.0,
)

ENVOY_ASKED = Preset(
    "Envoy, asked for all",
    "Envoy v3 API (2020 on): retry_on: gateway-error,connect-failure; outlier_detection: {}; retry_budget: {}",
    "many endpoints, of which one may be sick; 10 % of three is still one",
    "the budget counts requests in flight, ours requests; the sweep of 10 s, ours ends ejections by itself",
    timeout=15.0,
    deadline=15.0,
    retries=Retries(2, 0.025, 0.25, "full", on=_GATEWAY_ERRORS, budget=0.2, minimum=3),
    outliers=OutlierDetection(5, 30.0, 300.0, 0.1, 10.0, success_rate=True),
)

KONG = Preset(
    "Kong",
    "Kong Gateway 3 (2022), Service: retries 5, timeouts 60,000 ms; passive health checks count to 0: off",
    "never giving up a request: any answer is better than none",
    "nothing that matters here",
    timeout=60.0,
    retries=Retries(6, on=_NO_ANSWER),
)

TRAEFIK = Preset(
    "Traefik, with a breaker",
    "Traefik 3 (2024): fallbackDuration 10 s, no response timeout; the documentation's NetworkErrorRatio() > 0.30",
    "being quick to open and quick to try again; the expression is the user's to write",
    "the linear return of traffic over 10 s (here: one probe), checks each 100 ms (here: at once)",
    timeout=None,
    breaker=Breaker(10.0, 1, 0.3, 10.0, 1),
)

NGINX = Preset(
    "NGINX",
    "ngx_http_proxy_module, ngx_http_upstream_module (1.9.13, 2016 on): max_fails 1, fail_timeout 10 s, "
    "proxy_next_upstream error timeout, 60 s",
    "several endpoints of which one dies: the next one is asked, and nobody notices",
    "when all have failed: ours keeps the last one in use",
    timeout=60.0,
    retries=Retries(3, on=_NO_ANSWER),
    outliers=OutlierDetection(1, 10.0, 10.0, 1.0, 10.0),
    panic=0.0,
)

RESILIENCE4J = Preset(
    "resilience4j",
    "resilience4j 2 (2022): CircuitBreaker, TimeLimiter 1 s, Retry 3 x 500 ms, each with its defaults",
    "much traffic and rare trouble: a verdict on no less than a hundred calls, then a minute of rest",
    "retries of calls that the breaker refused: ours does not repeat those",
    timeout=1.0,
    retries=Retries(3, 0.5, 0.5, on=_GATEWAY_ERRORS),
    breaker=Breaker(100, 100, 0.5, 60.0, 10),
)

HYSTRIX = Preset(
    "Hystrix",
    "Netflix Hystrix 1.5, wiki Configuration (2017): 1 s, 10 threads, 20 calls in 10 s, 50 %, 5 s",
    "keeping one dependency from taking the caller with it: fail at once, have a fallback, look again soon",
    "a full thread pool counts as a failure there, and as nothing here; the fallback",
    timeout=1.0,
    breaker=Breaker(10.0, 20, 0.5, 5.0, 1),
    places=10,
)

OPOSSUM = Preset(
    "opossum",
    "opossum, README (2018 on): the example's 3 s, 50 %, 30 s; no minimum of calls",
    "little traffic: it needs no volume to decide",
    "nothing that matters here",
    timeout=3.0,
    breaker=Breaker(10.0, 1, 0.5, 30.0, 1),
)

THIS_GATEWAY = Preset(
    "this gateway",
    "the defaults of its configuration, with a timeout of 3 s, each mechanism asked for",
    "what is asked for, together: eject one, retry within a budget, break when all fail",
    "nothing",
    timeout=3.0,
    retries=Retries(3, 0.025, 0.25, "full", on=_GATEWAY_ERRORS, budget=0.2),
    breaker=Breaker(20, 10, 0.5, 30.0, 3),
    outliers=OutlierDetection(),
)

PRESETS = (ENVOY, ENVOY_ASKED, KONG, TRAEFIK, NGINX, RESILIENCE4J, HYSTRIX, OPOSSUM, THIS_GATEWAY)
"""In the order of the figure."""
