"""Build middleware: the names that `middleware` lists may hold, and what makes each of its options.

What it does not do: order them. A list's order is the file's, and `build.py` says where the lists stand.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.build_auth import auth, authorize
from api_gateway.build_cache import cache
from api_gateway.build_concurrency import bulkhead, load_shedding
from api_gateway.build_resilience import fallback, hedge, retry
from api_gateway.build_security import cors, header_filter, ip_filter, security_headers, validate_request
from api_gateway.build_tools import MiddlewareFactory, Tools
from api_gateway.build_transform import transform
from api_gateway.config.concurrency_schema import ConcurrencyConfig
from api_gateway.config.fallback_schema import FallbackConfig
from api_gateway.config.hedge_schema import HedgeConfig
from api_gateway.config.load_shedding_schema import LoadSheddingOptions
from api_gateway.config.middleware_schema import AccessLogOptions
from api_gateway.config.rate_limit_schema import RateLimitOptions
from api_gateway.config.retry_schema import RetryConfig
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.logging_middleware import LoggingMiddleware
from api_gateway.middleware.request_id import RequestIdMiddleware


def _request_id(_: object, tools: Tools) -> Middleware:
    return RequestIdMiddleware(tools.random)


def _access_log(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, AccessLogOptions)
    return LoggingMiddleware(options.format, tools.clock)


def _body_limit(options: object, _: Tools) -> Middleware:
    assert isinstance(options, int)
    return BodyLimitMiddleware(options)


def _deadline(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, float)
    return DeadlineMiddleware(options, tools.clock)


def _rate_limit(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, RateLimitOptions)
    return tools.rate_limits.middleware(options)


def _load_shedding(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, LoadSheddingOptions)
    return load_shedding(options, tools.clock)


def _retry(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, RetryConfig)
    return retry(options, tools)


def _hedge(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, HedgeConfig)
    return hedge(options, tools)


def _fallback(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, FallbackConfig)
    return fallback(options, tools)


def _concurrency(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, ConcurrencyConfig)
    return bulkhead(options, "middleware", tools.clock)


MIDDLEWARE: Mapping[str, MiddlewareFactory] = {
    "request_id": _request_id,
    "access_log": _access_log,
    "body_limit": _body_limit,
    "deadline": _deadline,
    "ip_filter": ip_filter,
    "header_filter": header_filter,
    "cors": cors,
    "security_headers": security_headers,
    "auth": auth,
    "authorize": authorize,
    "validate_request": validate_request,
    "cache": cache,
    "transform": transform,
    "rate_limit": _rate_limit,
    "load_shedding": _load_shedding,
    "concurrency": _concurrency,
    "fallback": _fallback,
    "retry": _retry,
    "hedge": _hedge,
}
