"""Command line: `api-gateway demo | serve | check | explain | schema | key`.

Rule: a person's mistake is answered in words, never with a traceback. What was asked for goes to
stdout, what is wrong goes to stderr, one problem a line.

    exit 0   done; for `explain`, a route was found
    exit 1   the configuration is wrong, or `explain` found no route
    exit 2   the command line itself is wrong

Uvicorn and the demo are imported by the command that needs them: `check` answers in a moment.

What it does not do: run anything itself (`runner.py`), or work out reasons (`routing/explain.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from api_gateway.core.clock import SystemClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.server.key_command import add_key_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are the process's unless given. Returns the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:  # argparse has printed help, or what is wrong
        return int(end.code or 0)
    if options.command is None:
        parser.print_help()
        return 0
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        code = command(options)
        sys.stdout.flush()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _demo(options: argparse.Namespace) -> int:
    from api_gateway.server.demo import run_demo

    return run_demo(options.host, options.port, options.admin_port)


def _serve(options: argparse.Namespace) -> int:
    from api_gateway.config.load import load_config
    from api_gateway.server.runner import run

    config = load_config(options.config, os.environ)
    listen = _given(host=options.host, port=options.port)
    admin = _given(host=options.admin_host, port=options.admin_port)
    config = config.model_copy(
        update={
            "listen": config.listen.model_copy(update=listen),
            "admin": config.admin.model_copy(update=admin),
        }
    )
    return run(config, workers=options.workers)


def _check(options: argparse.Namespace) -> int:
    from api_gateway.build import build_gateway
    from api_gateway.config.load import load_config

    config = load_config(options.config, os.environ)
    try:
        if config.listen.tls is not None:
            from api_gateway.server.tls.listener_certificates import ListenerCertificates

            ListenerCertificates(config.listen.tls)
        build_gateway(config)  # plugins look at their own options only now
    except ConfigurationError as error:
        raise ConfigurationError(f"{options.config}:1:1: {error}") from None
    routes, services = _counted(len(config.routes), "route"), _counted(len(config.services), "service")
    print(f"{options.config}: ok, {routes}, {services}")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from api_gateway.build import build_gateway
    from api_gateway.config.load import load_config
    from api_gateway.server.explanation import explained
    from api_gateway.server.sending import sent

    gateway = build_gateway(load_config(options.config, os.environ))
    request = _request(options.method, options.url, options.header)
    found, text = asyncio.run(explained(gateway, request))
    print(text)
    if options.send:
        print(f"\n{asyncio.run(sent(gateway, request, options.send))}")
    return 0 if found else 1


def _schema(_: argparse.Namespace) -> int:
    from api_gateway.config.schema import GatewayConfig

    print(json.dumps(GatewayConfig.model_json_schema(), indent=2))
    return 0


def _document(path: Path) -> object:
    from api_gateway.config.load import load_document

    return load_document(path, "keys")


def _request(method: str, url: tuple[str, str], headers: Sequence[tuple[str, str]]) -> Request:
    host, target = url
    fields = Headers(headers)
    return Request(method.upper(), target, fields if "host" in fields else fields.setting("host", host))


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# Arguments.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; '{self.prog} --help' shows how", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="api-gateway", description="An API gateway to learn from, and to run.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(command=None)

    demo = commands.add_parser("demo", help="seven fake services on real sockets, the gateway, an admin page")
    demo.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    demo.add_argument("--port", type=_port, default=8080, help="the gateway's port (%(default)s)")
    demo.add_argument("--admin-port", type=_port, default=9901, help="the admin page's port (%(default)s)")
    demo.set_defaults(command=_demo)

    serve = commands.add_parser("serve", help="run the gateway that a configuration file describes")
    _add_config(serve)
    for name in ("host", "admin-host"):
        serve.add_argument(f"--{name}", metavar="H", help="instead of the configuration's")
    for name in ("port", "admin-port"):
        serve.add_argument(f"--{name}", metavar="P", type=_port, help="instead of the configuration's; 0 for any")
    serve.add_argument("--workers", metavar="N", type=_workers, default=1, help="processes that share the port (1)")
    serve.set_defaults(command=_serve)

    check = commands.add_parser("check", help="say what is wrong with a configuration file, if anything")
    _add_config(check)
    check.set_defaults(command=_check)

    explain = commands.add_parser("explain", help="say which route a request takes, and why")
    _add_config(explain)
    explain.add_argument("method", metavar="METHOD", type=_method, help="such as GET")
    explain.add_argument("url", metavar="URL", type=_url, help="a path, or http://host/path?query")
    header_help = "a request header; may be repeated"
    explain.add_argument(
        "-H", dest="header", metavar="'Name: value'", type=_header, action="append", default=[], help=header_help
    )
    send_help = "send it, too, and show every decision with the state that made it; TIMES times, and show the last"
    explain.add_argument("--send", metavar="TIMES", type=_times, nargs="?", const=1, default=0, help=send_help)
    explain.set_defaults(command=_explain)

    schema = commands.add_parser("schema", help="print the JSON Schema of the configuration, for editors")
    schema.set_defaults(command=_schema)

    key = commands.add_parser("key", help="make an API key, or list those of a file")
    add_key_commands(key, _document, SystemClock())
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", type=Path, help="a YAML file")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _times(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of times from 1 to 100000")
    return int(text)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers from 1 to 256")
    return int(text)


def _method(text: str) -> str:
    if not (text.isascii() and text.replace("-", "").isalpha()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a method such as GET")
    return text


def _url(text: str) -> tuple[str, str]:
    """Host, and path with query, from `http://host/path?query` or from `/path?query`."""
    if text.startswith("/"):
        return "localhost", text
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a path such as /users nor an http or https URL")
    target = text.split("#")[0].split("://", 1)[1][len(parts.netloc) :]
    return parts.netloc.rpartition("@")[2], target if target.startswith("/") else "/" + target


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    try:
        Headers([(name, value)])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 'Name: value'")
    return name, value.strip()
