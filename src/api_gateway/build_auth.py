"""Build auth: ways to prove who is calling, made of their options.

Rule: entries that say the same share one authenticator, and with it what it remembers and whom it asks: fifty routes
with the same `jwt` fetch one set of keys. An identity provider that is named by its address becomes a service of its
own, with a breaker and time limits, asked over the same transport as any other.

Cost: what reads tokens is imported where a `jwt` is made: with it come joserfc and cryptography, 0.07 of the 0.7 s of
CPU that a gateway takes to start.

What it does not do: ask a provider; the first request that needs it does.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from api_gateway.auth.api_key import ApiKeyAuthenticator
from api_gateway.auth.authenticator import Authenticator
from api_gateway.auth.identity_cache import IdentityCache
from api_gateway.auth.introspection import IntrospectionAuthenticator, WhenDown
from api_gateway.auth.introspection_answer import Expected
from api_gateway.auth.jwt_claims import ClaimRules
from api_gateway.auth.key_file import watched_keys
from api_gateway.auth.mtls import MtlsAuthenticator
from api_gateway.backend.backend_service import BackendService
from api_gateway.build_resilience import circuit_breaker
from api_gateway.build_services import behind_sockets, build_service
from api_gateway.build_tools import Tools
from api_gateway.config.api_key_schema import ApiKeyConfig
from api_gateway.config.auth_schema import AuthConfig, MethodConfig
from api_gateway.config.authorize_schema import AuthorizeOptions
from api_gateway.config.circuit_breaker_schema import CircuitBreakerConfig
from api_gateway.config.introspection_schema import IntrospectionConfig
from api_gateway.config.jwt_schema import JwtConfig
from api_gateway.config.load import load_document
from api_gateway.config.mtls_schema import MtlsConfig
from api_gateway.config.service_schema import EndpointConfig, ServiceConfig, TimeoutConfig
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AuthorizationMiddleware
from api_gateway.middleware.remaining_deadline import RemainingDeadlineMiddleware

if TYPE_CHECKING:
    from api_gateway.auth.jwt import JwtAuthenticator
    from api_gateway.auth.key_source import KeySource

_KEYS_TIMEOUT = 5.0
_KEYS_BREAKER = CircuitBreakerConfig(open_for=5.0, failure_statuses=("201-599",))


def auth(options: object, tools: Tools) -> Middleware:
    """Who is calling, in any one of several ways."""
    assert isinstance(options, AuthConfig)
    opaque = any(name == "introspection" for name, _ in options.methods)
    return AuthMiddleware(
        [tools.shared((way, opaque), partial(_authenticator, way, opaque, tools)) for _, way in options.methods],
        optional=options.optional,
        forward_credentials=options.forward_credentials,
        realm=options.realm,
        methods=[name for name, _ in options.methods],
    )


def authorize(options: object, _: Tools) -> Middleware:
    """What a caller may do."""
    assert isinstance(options, AuthorizeOptions)
    return AuthorizationMiddleware(options.all_rules)


def _authenticator(way: MethodConfig, leave_opaque: bool, tools: Tools) -> Authenticator:
    match way:
        case ApiKeyConfig():
            return _api_key(way, tools)
        case JwtConfig():
            return _jwt(way, leave_opaque, tools)
        case IntrospectionConfig():
            return _introspection(way, tools)
        case MtlsConfig():
            return MtlsAuthenticator(tools.clock, identity_from=way.identity_from, allow=way.allow)


def _api_key(options: ApiKeyConfig, tools: Tools) -> ApiKeyAuthenticator:
    keys = watched_keys(options.keys_file, lambda path: load_document(path, "keys"))
    tools.resources.append(keys)
    return ApiKeyAuthenticator(keys, tools.clock, header=options.header)


def _jwt(options: JwtConfig, leave_opaque: bool, tools: Tools) -> JwtAuthenticator:
    from api_gateway.auth.jwt import JwtAuthenticator
    from api_gateway.auth.jwt_header import ACCESS_TOKEN_TYPES

    rules = ClaimRules(
        options.issuer,
        frozenset(options.audience),
        leeway=options.leeway,
        require_exp=options.require_exp,
        roles_claim=options.roles_claim,
        tier_claim=options.tier_claim,
    )
    return JwtAuthenticator(
        _keys(options, tools),
        rules,
        algorithms=options.algorithms,
        types=ACCESS_TOKEN_TYPES if options.typ is None else {options.typ.lower()},
        leave_opaque=leave_opaque,
        realm=options.realm or "",
        remember=options.remember,
        clock=tools.clock,
    )


def _keys(options: JwtConfig, tools: Tools) -> KeySource:
    from api_gateway.auth.key_set import keys_of_secret
    from api_gateway.auth.key_source import FixedKeys, KeySetFile
    from api_gateway.auth.remote_key_set import RemoteKeySet

    if options.secret is not None:
        return FixedKeys(keys_of_secret(options.secret.get_secret_value(), options.algorithms))
    if options.jwks_file is not None:
        file = KeySetFile(options.jwks_file)
        tools.resources.append(file)
        return file
    assert options.target is not None, "one of the places is given"
    provider = _provider(options.service, options.origin, _KEYS_TIMEOUT, _KEYS_BREAKER, tools)
    keys = RemoteKeySet(
        provider,
        options.target,
        name=options.service or options.origin or "",
        max_age=options.max_age,
        refetch_every=options.refetch_every,
        stale_for=options.stale_for,
        timeout=_KEYS_TIMEOUT,
        clock=tools.clock,
    )
    tools.resources.append(keys)
    tools.key_sets.watch(keys)
    return keys


def _introspection(options: IntrospectionConfig, tools: Tools) -> IntrospectionAuthenticator:
    made = IntrospectionAuthenticator(
        _provider(options.service, options.origin, options.timeout, options.circuit_breaker, tools),
        options.target,
        options.client_id,
        options.client_secret.get_secret_value(),
        name=options.name,
        expected=Expected(
            options.issuer or "",
            frozenset(options.audience),
            leeway=options.leeway,
            roles_claim=options.roles_claim,
            tier_claim=options.tier_claim,
        ),
        cache=IdentityCache(
            tools.clock,
            fresh_for=options.cache,
            refused_for=options.negative_cache,
            stale_for=options.stale_for,
            max_entries=options.max_cached,
        ),
        when_down=WhenDown(options.when_down.read, options.when_down.write),
        timeout=options.timeout,
        clock=tools.clock,
    )
    tools.introspections.watch(made)
    return made


def _provider(
    service: str | None, origin: str | None, timeout: float, breaker: CircuitBreakerConfig, tools: Tools
) -> Handler:
    """Who answers for an identity provider: a configured service, or one made of its address."""
    if service is not None:
        return tools.service_named(service)
    assert origin is not None, "either a service or an address is given"
    return tools.shared((origin, timeout, breaker), partial(_made_provider, origin, timeout, breaker, tools))


def _made_provider(origin: str, timeout: float, breaker: CircuitBreakerConfig, tools: Tools) -> Handler:
    config = ServiceConfig(
        endpoints=(EndpointConfig(url=origin),), timeout=TimeoutConfig(connect=min(1.0, timeout), request=timeout)
    )
    name = _unused(origin, tools)
    layers: list[Middleware] = [
        circuit_breaker(breaker, name, config.timeout, tools),
        RemainingDeadlineMiddleware(tools.clock),
    ]
    provider = build_service(name, config, behind_sockets(config, name), layers, tools)
    tools.resources.append(provider)
    return provider


def _unused(origin: str, tools: Tools) -> str:
    """What to call one more provider at `origin`; metrics tell them apart by name."""
    taken = {resource.name for resource in tools.resources if isinstance(resource, BackendService)}
    names = (f"{origin}#{number}" if number > 1 else origin for number in count(1))
    return next(name for name in names if name not in taken)
