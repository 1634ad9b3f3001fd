"""JWTs in the configuration: whose tokens are accepted, for whom, and where the keys are.

    jwt: {issuer: https://id.example, audience: orders, algorithms: [RS256, ES256], jwks_url: https://id.example/jwks}
    jwt: {issuer: https://id.example, audience: [orders, shop], algorithms: [ES256], jwks_file: keys.json}
    jwt: {issuer: shop, audience: orders, algorithms: [HS256], secret: "${JWT_SECRET}", leeway: 10s}
    jwt: {issuer: https://id.example, audience: orders, algorithms: [EdDSA], service: identity, jwks_path: /jwks}

Rule: exactly one place for keys. Issuer, audience and algorithms have no default: a token's own word for them is
what must be checked. Algorithms with a shared secret and keys that everybody may read exclude each other.

What it does not do: read the file, or ask the provider; whether a named service exists is for the cross-checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from api_gateway.auth.algorithms import ALGORITHMS, ASYMMETRIC, HMAC_BYTES, SYMMETRIC
from api_gateway.auth.jwt_claims import LONGEST_LEEWAY
from api_gateway.config.fields import Count, Duration, DurationOrZero, FilePath, Flag, Secret, Text, text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.config.provider_fields import ProviderPath, ProviderUrl, origin_of, target_of
from api_gateway.config.units import parse_duration
from api_gateway.core.identity import LONGEST_SUBJECT


def _issuer(value: object) -> str:
    issuer = text(value)
    if len(issuer) > LONGEST_SUBJECT or not issuer.isprintable():
        raise Refusal("the issuer is too long, or holds a control character", "write what tokens have in iss")
    return issuer


def _several(one: Callable[[object], str], remedy: str) -> Callable[[object], tuple[str, ...]]:
    """A validator for a text, or a list of them without repetition."""

    def check(value: object) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not values:
            raise Refusal(f"expected one or several, not {shown(value)}", remedy)
        return tuple(dict.fromkeys(one(item) for item in values))

    return check


def _algorithm(value: object) -> str:
    name = text(value)
    if name.lower() == "none":
        raise Refusal("a token without a signature proves nothing", "leave none out")
    if name not in ALGORITHMS:
        raise Refusal(f"unknown algorithm {name!r}", did_you_mean(name, ALGORITHMS, "there are"))
    return name


def _leeway(value: object) -> float:
    seconds = parse_duration(value)
    if not 0 <= seconds <= LONGEST_LEEWAY:
        raise Refusal(f"a leeway of {shown(value)} would accept tokens long after their end", "write at most 5m")
    return seconds


def _realm(value: object) -> str:
    realm = text(value)
    if not realm.isascii() or not realm.isprintable():
        raise Refusal("a realm must be printable ASCII", "write a name such as orders")
    return realm


def _type(value: object) -> str:
    if value not in ("at+jwt", "JWT"):
        raise Refusal(f"{shown(value)} is not a type of access tokens", "write at+jwt, JWT, or leave it out for both")
    return str(value)


_TEXTS = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
_ALGORITHMS = WithJsonSchema({"type": "array", "items": {"enum": sorted(ALGORITHMS)}, "minItems": 1})

Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_several(text, "write names such as orders")), _TEXTS]
Algorithms: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(_several(_algorithm, "write names such as [RS256, ES256]")), _ALGORITHMS
]


class JwtConfig(Model):
    """Tokens of one issuer."""

    issuer: Annotated[str, BeforeValidator(_issuer), WithJsonSchema({"type": "string"})]
    """What tokens have in `iss`, to the letter."""
    audience: Texts
    """What they must have in `aud`: one of these."""
    algorithms: Algorithms
    """What they may be signed with."""
    jwks_url: ProviderUrl | None = None
    """Where the issuer publishes its keys; https, but for this machine itself."""
    service: Text | None = None
    """A configured service that publishes them, in place of `jwks_url`; with `jwks_path`."""
    jwks_path: ProviderPath | None = None
    """Where at that service."""
    jwks_file: FilePath | None = None
    """A file of keys, JWKS or PEM; loaded again when it changes."""
    secret: Secret | None = None
    """The secret shared with the issuer, for HS256, HS384, HS512; a binary one belongs in a `jwks_file`."""
    leeway: Annotated[
        float, BeforeValidator(_leeway), WithJsonSchema({"type": ["string", "number"], "examples": ["30s"]})
    ] = 30.0
    """Seconds that the issuer's clock may differ from ours."""
    require_exp: Flag = True
    """Whether a token without an end is refused."""
    typ: Annotated[Literal["at+jwt", "JWT"], BeforeValidator(_type)] | None = None
    """What tokens must have as their type; unless given, these or none."""
    roles_claim: Text = "roles"
    """Where tokens have the caller's roles, such as `realm_access.roles`."""
    tier_claim: Text = "tier"
    """Where they have the caller's tier."""
    max_age: Duration = 600.0
    """Seconds after which fetched keys are fetched again; the issuer may say less."""
    refetch_every: Duration = 10.0
    """Seconds between fetches because a token names a key that is not known."""
    stale_for: DurationOrZero = 86_400.0
    """Seconds that keys are used past their time while the issuer is out of reach."""
    remember: Count = 10_000
    """How many verified tokens are kept, so that the next request with one costs little."""
    realm: Annotated[str, BeforeValidator(_realm), WithJsonSchema({"type": "string"})] | None = None
    """Named in the challenge to callers without a token."""

    @model_validator(mode="after")
    def _consistent(self) -> JwtConfig:
        self._check_places()
        shared, public = SYMMETRIC & {*self.algorithms}, ASYMMETRIC & {*self.algorithms}
        if self.secret is not None:
            if public:
                raise Refusal(f"{min(public)} cannot be verified with a secret", "write HS256, HS384 or HS512")
            _check_length(self.secret.get_secret_value(), shared)
        elif shared and self.jwks_file is None:
            raise Refusal(f"{min(shared)} needs a shared secret, and published keys are none", "give a secret")
        return self

    def _check_places(self) -> None:
        if (self.service is None) != (self.jwks_path is None):
            raise Refusal("service and jwks_path belong together", "give both: who publishes the keys, and where")
        places = [name for name in ("jwks_url", "service", "jwks_file", "secret") if getattr(self, name) is not None]
        if not places:
            raise Refusal(
                "nothing says where the keys are", "give jwks_url, jwks_file, secret, or service and jwks_path"
            )
        if len(places) > 1:
            raise Refusal(f"{' and '.join(places)} are different places for keys", "keep one of them")
        remote = {"jwks_url", "service"} & {*places}
        given = {"max_age", "refetch_every", "stale_for"} & self.model_fields_set
        if given and not remote:
            raise Refusal(f"{min(given)} is for keys that are fetched, and these are not", "leave it out")

    @property
    def origin(self) -> str | None:
        """Scheme, host and port of `jwks_url`, as an endpoint."""
        return None if self.jwks_url is None else origin_of(self.jwks_url)

    @property
    def target(self) -> str | None:
        """Path and query of the keys, wherever they are published."""
        return self.jwks_path if self.jwks_url is None else target_of(self.jwks_url)


def _check_length(secret: str, algorithms: frozenset[str]) -> None:
    shortest = max(HMAC_BYTES[name] for name in algorithms)
    try:
        length = len(secret.encode())
    except UnicodeEncodeError:
        remedy = "put a binary one into a jwks_file, as an oct key"
        raise Refusal("the secret is not text in UTF-8", remedy, field="secret") from None
    if length < shortest:
        remedy = f"make one of at least {shortest} random bytes, not of words"
        raise Refusal(f"the secret is shorter than {shortest} bytes", remedy, field="secret")
