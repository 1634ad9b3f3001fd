"""Secrets: none may reach a log, an error, a metric, an admin page, `explain`, a `repr` or a refused configuration.

Every kind is configured with a value that nothing else looks like, every kind of request is sent, and whatever comes
out anywhere is searched. What clients send counts as well: their keys and tokens, right and wrong.
"""

from __future__ import annotations

import copy
import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx2 as httpx
import pytest

from api_gateway import Request, RequestContext
from api_gateway.auth.challenge import challenge
from api_gateway.config.load import load_config
from api_gateway.config.validate import validate
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.security_events import SecurityEvents
from api_gateway.server.admin import admin_app
from api_gateway.server.cache_admin import LocalPurger
from api_gateway.server.explanation import explained
from api_gateway.server.status import LocalStatus
from tests.support.jwt_tokens import AUDIENCE, EC, ISSUER, OCT, SECRET, claims, encoded, token
from tests.support.security_rig import (
    ADMIN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    OPAQUE,
    READER_KEY,
    UNKNOWN_KEY,
    Header,
    Rig,
    bearer,
    build_rig,
    configuration,
    key,
    key_file,
    methods,
)

JWT_SECRET = "kept-quiet-jwt-secret-0123456789-0123456789-0123456789-0123456789"
CLIENT_SECRET = "kept-quiet-client-secret"
REDIS_PASSWORD = "kept-quiet-redis-password"
KEY_PASSWORD = "kept-quiet-key-password"
GOOD, FORGED = token(claims(scope="admin")), token(claims(scope="admin"), key=OCT, alg="HS256", header={"alg": "HS256"})
EXPIRED = token(claims(exp=1_700_000_000, jti="kept-quiet-claim"))
UNKNOWN_TOKEN = "kept-quiet-token-that-nobody-knows"
BASIC = "a2VwdC1xdWlldDprZXB0LXF1aWV0"
COOKIE = "kept-quiet-session"

_KEYS = (ADMIN_KEY, READER_KEY, EXPIRED_KEY, DISABLED_KEY, UNKNOWN_KEY)
_TOKENS = (GOOD, FORGED, EXPIRED)
SECRETS = (
    "kept-quiet",
    JWT_SECRET,
    SECRET,
    BASIC,
    OPAQUE,
    *(text.split("_")[2] for text in _KEYS),
    *(sha256(text.encode()).hexdigest() for text in _KEYS),
    *(sha256(text.encode()).hexdigest() for text in (*_TOKENS, OPAQUE, UNKNOWN_TOKEN)),
    *(text.split(".")[part] for text in _TOKENS for part in (1, 2)),
    str(OCT.as_dict(private=True)["k"]),
    str(EC.as_dict(private=True)["d"]),
    encoded(f"gw:{CLIENT_SECRET}".encode()).decode(),
)

REQUESTS: tuple[tuple[Header, ...], ...] = (
    (),
    *((key(text),) for text in _KEYS),
    *((bearer(text),) for text in (*_TOKENS, OPAQUE, UNKNOWN_TOKEN)),
    (bearer(GOOD[:-4]),),
    (bearer(GOOD + "=="),),
    (bearer(ADMIN_KEY),),
    (key(GOOD),),
    (bearer(GOOD), bearer(EXPIRED)),
    (key(ADMIN_KEY), key(READER_KEY)),
    (("Authorization", f"Basic {BASIC}"), ("Cookie", f"session={COOKIE}")),
    (("Authorization", f"Bearer\t{GOOD}"),),
    (("Authorization", f"Bearer {GOOD}, Bearer {EXPIRED}"),),
    (("Proxy-Authorization", f"Basic {BASIC}"), key(ADMIN_KEY), ("X-Request-Id", "7")),
)


def everything(folder: Path, log: str) -> dict[str, object]:
    """Every kind of secret that a gateway can have in one configuration, listeners aside."""
    shared = {"issuer": ISSUER + "/2", "audience": AUDIENCE, "algorithms": ["HS256"], "secret": JWT_SECRET}
    ways: list[dict[str, object]] = [*methods(folder), {"jwt": shared}]
    asked = ways[2]["introspection"]
    assert isinstance(asked, dict)
    asked["client_secret"] = CLIENT_SECRET
    store = f"redis://gateway:{REDIS_PASSWORD}@127.0.0.1:1/0"
    limit = {"rate": "1000/s", "key": "client_ip", "store": store, "on_store_error": "admit"}
    auth = {"auth": {"any_of": ways}}
    return configuration(
        folder,
        middleware=["request_id", {"access_log": {"format": log}}, "watch", {"rate_limit": limit}],
        routes=[
            {"path": "/admin/*", "service": "admin", "middleware": [auth, {"authorize": {"scopes": ["admin"]}}]},
            {"path": "/orders/*", "service": "orders", "middleware": [
                auth, {"rate_limit": {"rate": "5/h", "key": ["identity", "header:Authorization"]}}]},
            {"path": "/*", "service": "open"},
        ],
    )  # fmt: skip


class Heard(logging.Handler):
    """Everything that is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def listening() -> Iterator[Heard]:
    heard = Heard()
    loggers = [logging.getLogger(name) for name in ("api_gateway", "api_gateway.security", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(heard)
        logger.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(heard)
            logger.setLevel(level)


def check(where: str, *texts: str) -> None:
    """None of the secrets is in any of the texts."""
    for text in texts:
        for secret in SECRETS:
            at = text.find(secret)
            assert at < 0, f"{where} shows a secret: ...{text[max(0, at - 60) : at + 30]}..."


async def drive(gateway: Rig) -> list[str]:
    """Every kind of request, with every kind of credentials; what is answered."""
    answers = []
    for target in ("/admin/users", "/orders/42", "/page", "/admin/%zz"):
        for headers in REQUESTS:
            answer = await gateway.ask(target, *headers)
            answers.append(f"{answer.headers!r} {answer.body!r}")
    return answers


@pytest.mark.parametrize("log", ["json", "combined", "human"])
async def test_requests_leave_no_secret_in_logs_answers_or_metrics(tmp_path: Path, log: str) -> None:
    """To read credentials in what operators, dashboards and log stores get to see."""
    made = build_rig(everything(tmp_path, log))
    with listening() as heard:
        async with made.gateway:
            answers = await drive(made)
            made.provider.down = True
            answers += await drive(made)
            await made.ask(f"/page?api_key={ADMIN_KEY}&access_token={GOOD}")  # this service itself echoes these
            for name in ("access_token", "code"):
                answers.append(repr(await made.ask(f"/admin/users?{name}={GOOD}&{UNKNOWN_TOKEN}={OPAQUE}")))
            pages = await admin_pages(made)
            _, story = await explained(
                made.gateway, Request("GET", "/admin/users", [("host", "a"), *REQUESTS[1], bearer(GOOD)])
            )
    check("an answer", *answers)
    check("a log", heard.text)
    check("an admin page", *pages)
    check("explain", story)
    assert "api_gateway.access" in heard.text
    assert "authentication_refused" in heard.text
    assert "127.0.0.1:1" in heard.text, "the store is out of reach, and the log says so"
    assert "api_key" in story


async def admin_pages(made: Rig) -> list[str]:
    status = LocalStatus(made.gateway)
    status.current_phase = "ready"
    transport = httpx.ASGITransport(app=admin_app(status, LocalPurger(made.gateway)))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        responses = [await client.get(path) for path in ("/", "/ready", "/routes", "/services", "/metrics")]
    assert all(response.status_code == 200 for response in responses)
    return [response.text for response in responses]


async def test_a_defect_is_logged_without_the_credentials_of_its_request(tmp_path: Path) -> None:
    """To provoke a traceback that shows the request with all its headers."""
    made = build_rig(everything(tmp_path, "json"))

    def breaks() -> int:
        raise ZeroDivisionError("in the service")

    made.services["admin"].turns = breaks
    with listening() as heard:
        async with made.gateway:
            path = "/admin/users"
            fields = [("host", "a"), key(ADMIN_KEY), ("cookie", COOKIE)]
            response = await made.gateway.handle(
                Request("GET", path, fields), RequestContext(0, "192.0.2.7", "http", "1.1")
            )
            body = await response.read()
    assert response.status == 500
    assert "ZeroDivisionError" in heard.text
    check("the traceback", heard.text)
    check("the answer", repr(response.headers) + repr(body))


async def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    """A debugger, an error tracker, a log line somebody adds later: all of them print objects."""
    checked, findings = validate(
        everything(tmp_path, "json"), provided=["admin", "orders", "open", "id"], plugins=["watch"]
    )
    assert not findings
    made = build_rig(everything(tmp_path, "json"))
    await drive(made)
    shown = {repr(found) for found in reachable(made.gateway)}
    assert any("KeyRecord" in text for text in shown), "the walk gets to the keys"
    assert any("Identity" in text for text in shown), "and to who was remembered"
    check("a repr", *shown)
    check("the configuration's repr", repr(checked), str(checked))


def reachable(root: object) -> Iterator[object]:
    """Every object of the gateway's own classes that can be got at from `root`."""
    seen, queue = {id(root)}, [root]
    while queue:
        for found in gc.get_referents(queue.pop()):
            if id(found) in seen or isinstance(found, type) or type(found).__name__ == "module":
                continue
            seen.add(id(found))
            if not callable(found) or type(found).__module__.startswith("api_gateway"):
                queue.append(found)
            elif hasattr(found, "__closure__") or hasattr(found, "__self__"):
                queue += [*(found.__closure__ or ())] if hasattr(found, "__closure__") else [found.__self__]
            if type(found).__module__.startswith("api_gateway") and not isinstance(found, Request | RequestContext):
                yield found


def _put(*path: str | int) -> Callable[[dict[str, object], object], None]:
    def put(document: dict[str, object], value: object) -> None:
        at: object = document
        for step in path[:-1]:
            at = at[step]  # type: ignore[index]
        at[path[-1]] = value  # type: ignore[index]

    return put


_JWT = ("middleware", 0, "auth", "any_of", 0, "jwt")
_ASKED = ("middleware", 0, "auth", "any_of", 1, "introspection")
PLACES: dict[str, Callable[[dict[str, object], object], None]] = {
    "the secret of a jwt": _put(*_JWT, "secret"),
    "jwks_file beside it": _put(*_JWT, "jwks_file"),
    "the client_secret": _put(*_ASKED, "client_secret"),
    "the url of a provider": _put(*_ASKED, "url"),
    "the store of a limit": _put("middleware", 1, "rate_limit", "store"),
    "the password of a key": _put("listen", "tls", "key_password"),
}
WRONG: dict[str, object] = {
    "too short": "kept-quiet",
    "in a list": [JWT_SECRET],
    "in a mapping": {"value": JWT_SECRET},
    "with a user name": f"https://gw:{CLIENT_SECRET}@id.example/introspect",
    "with a bad port": f"redis://:{REDIS_PASSWORD}@host:port/0",
    "without a host": f"redis://:{REDIS_PASSWORD}@",
    "of another scheme": f"amqp://:{REDIS_PASSWORD}@host",
    "with brackets": f"redis://:{REDIS_PASSWORD}@[host",
    "with a line end": f"kept-quiet\n{JWT_SECRET}",
    "a lone surrogate": "kept-quiet\ud800" * 9,
    "one more": JWT_SECRET,
}


def _document(folder: Path) -> dict[str, object]:
    """A configuration with each kind of secret in one place."""
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["HS256"], "secret": JWT_SECRET}
    asked = {"url": "https://id.example/introspect", "client_id": "gw", "client_secret": CLIENT_SECRET}
    limit = {"rate": "5/s", "store": f"redis://:{REDIS_PASSWORD}@127.0.0.1:1/0"}
    tls = {"cert_file": str(folder / "none.pem"), "key_file": str(folder / "none.key"), "key_password": KEY_PASSWORD}
    return {
        "listen": {"tls": tls},
        "middleware": [{"auth": {"any_of": [{"jwt": jwt}, {"introspection": asked}]}}, {"rate_limit": limit}],
        "routes": [{"path": "/*", "service": "open"}],
    }


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("place", PLACES)
def test_a_refused_configuration_does_not_show_the_secret_that_is_wrong(tmp_path: Path, place: str, wrong: str) -> None:
    """A secret in the wrong place, or the wrong one in its place, and the error message in a build log."""
    document = copy.deepcopy(_document(tmp_path))
    PLACES[place](document, WRONG[wrong])
    checked, findings = validate(document, provided=["open"])
    check("a finding", *(f"{finding}" for finding in findings))
    check("the configuration", repr(checked), str(checked))
    try:
        build_rig(document)
    except ConfigurationError as error:
        check("the error", str(error), repr(error))


def test_every_other_mistake_beside_a_secret_does_not_show_it(tmp_path: Path) -> None:
    """An error elsewhere that prints what stands around it."""
    for path in (
        ("listen", "tls"),
        ("middleware", 0, "auth", "any_of", 0, "jwt"),
        _ASKED,
        ("middleware", 1, "rate_limit"),
    ):
        document = copy.deepcopy(_document(tmp_path))
        _put(*path, "unknown_key")(document, 1)
        _, findings = validate(document, provided=["open"])
        assert findings
        check("a finding", *(f"{finding}" for finding in findings))


def test_a_file_that_cannot_be_read_does_not_show_its_secrets(tmp_path: Path) -> None:
    """A slip in YAML on the line with the secret."""
    for line in (
        f"secret: {JWT_SECRET}\nsecret: {JWT_SECRET}",
        f"secret: [{JWT_SECRET}",
        f"secret: '{JWT_SECRET}",
        f"{JWT_SECRET}: secret: x",
        f"secret: !vault {JWT_SECRET}",
        f"secret: &{JWT_SECRET.replace('-', '')} *kept",
        "secret: ${kept-quiet}",
        f"? {{a: {JWT_SECRET}}}\n: b",
    ):
        file = tmp_path / "gateway.yaml"
        file.write_text(f"routes: []\n{line}\n")
        with pytest.raises(ConfigurationError) as caught:
            load_config(file, {})
        text = str(caught.value)
        assert JWT_SECRET not in text, text


_RECORD = {"id": "a11ce", "hash": "sha256:" + "0" * 64, "owner": "alice"}


@pytest.mark.parametrize(
    "field", ["id", "hash", "owner", "subject", "scopes", "roles", "tier", "expires", "disabled", "what"]
)
def test_a_key_in_the_wrong_line_of_the_key_file_is_not_shown(tmp_path: Path, field: str) -> None:
    """A key pasted where its hash, or anything else, belongs."""
    path = key_file(tmp_path)
    for value in (ADMIN_KEY, [ADMIN_KEY], {ADMIN_KEY: ADMIN_KEY}, f"sha256:{ADMIN_KEY}", ADMIN_KEY.split("_")[2]):
        path.write_text(repr({"keys": [_RECORD | {field: value}]}).replace("'", '"'))
        try:
            build_rig(
                {
                    "middleware": [{"auth": {"api_key": {"keys_file": str(path)}}}],
                    "routes": _document(tmp_path)["routes"],
                }
            )
        except ConfigurationError as error:
            check("the error", str(error))


def test_a_challenge_and_a_security_event_hold_nothing_that_was_sent() -> None:
    """Nothing: these two are made of fixed texts, and refuse what could carry more."""
    with pytest.raises(ValueError, match="printable"):
        challenge("Bearer", realm="a\r\nX: y")
    assert "kept-quiet" not in repr(SecurityEvents())
