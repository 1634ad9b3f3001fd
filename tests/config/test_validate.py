"""Validation: each refusal, with its place as a key path."""

# ruff: noqa: E501  # a table of mistakes and messages reads best in rows

import re

import pytest

from api_gateway.config.problems import Finding, key_path, unplaced
from api_gateway.config.validate import validate

ROUTE = {"path": "/a/*", "service": "users"}
USERS = {"users": {"endpoints": ["http://h:1"]}}


def said_of(document: object, **more: object) -> list[str]:
    config, findings = validate(document, **more)  # type: ignore[arg-type]  # provided and plugins, as they come
    assert (config is None) == bool(findings)
    return sorted(str(unplaced(findings)).splitlines())


def route(**keys: object) -> dict[str, object]:
    return {"services": USERS, "routes": [{**ROUTE, **keys}]}


def service(**keys: object) -> dict[str, object]:
    return {"services": {"users": {**USERS["users"], **keys}}, "routes": [ROUTE]}


def top(**keys: object) -> dict[str, object]:
    return {"services": USERS, "routes": [ROUTE], **keys}


def test_a_minimal_document_is_a_configuration() -> None:
    assert said_of(top()) == []


def test_tuples_and_numbers_do_as_well_as_lists_and_texts() -> None:
    config, findings = validate(top(trusted_proxies=("10.0.0.0/8",), drain_timeout=0.5, limits={"max_body": 5}))
    assert not findings
    assert config is not None
    assert (config.trusted_proxies, config.drain_timeout, config.limits.max_body) == (("10.0.0.0/8",), 0.5, 5)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the configuration: expected a mapping, not a list; write keys with values"),
        ({"services": USERS}, "the configuration: the key 'routes' is missing; add 'routes: ...'"),
        (top(routes=[]), "routes: there is no route; add one, such as {path: /users/*, service: users}"),
        (top(routes={}), "routes: expected a list, not a mapping; write [..., ...], or one '- ' line each"),
        (top(routes=[5]), "routes[0]: expected a mapping, not the number 5; write keys with values"),
        (top(servise={}), "servise: unknown key 'servise'; did you mean 'services'?"),
        (top(zzz=1), "zzz: unknown key 'zzz'; the keys here are: admin, drain_timeout, limits, listen, middleware, "
                     "routes, services, trusted_proxies"),
        (top(listen={"port": 65536}), "listen.port: port 65536 is out of range; write a whole number from 0 to 65535"),
        (top(listen={"port": -1}), "listen.port: port -1 is out of range; write a whole number from 0 to 65535"),
        (top(listen={"port": True}), "listen.port: expected a port, not true; write a whole number from 0 to 65535"),
        (top(listen={"port": "8o"}), "listen.port: expected a port, not '8o'; write a whole number from 0 to 65535"),
        (top(listen={"host": ""}), "listen.host: expected text, found none; fill it in, or leave the key out"),
        (top(listen={"host": 5}), "listen.host: expected text, not the number 5; put it in quotes"),
        (top(listen=None), "listen: expected a mapping, not nothing; write keys with values"),
        (top(admin={"port": 8080}), "admin: clients and admin pages cannot share a port (listen); choose another"),
        (top(trusted_proxies=["10.0.0.1/8"]), "trusted_proxies[0]: '10.0.0.1/8' has bits set behind its prefix, "
         "perhaps 10.0.0.0/8 was meant; write a network such as 10.0.0.0/8, fd00::/8, or a single address"),
        (top(trusted_proxies=["x"]), "trusted_proxies[0]: 'x' is not an IP network; "
         "write a network such as 10.0.0.0/8, fd00::/8, or a single address"),
        (top(limits={"max_body": 0}), "limits.max_body: the size is zero; write a size such as 512, 32KB, 10KiB or 1MiB"),
        (top(limits={"max_header_fields": 0}),
         "limits.max_header_fields: count 0 is out of range; write a whole number from 1 to 1000000"),
        (top(limits={"head_timeout": 0}),
         "limits.head_timeout: the duration is zero; write a duration such as 250ms, 3s, 5m or 1h"),
        (top(drain_timeout=-1), "drain_timeout: expected a duration, not the number -1; "
         "write a duration such as 250ms, 3s, 5m or 1h"),
        (service(endpoints=[]), "services.users.endpoints: the service has no endpoint; "
         "add one, such as http://127.0.0.1:9001"),
        (service(endpoints="http://h:1"), "services.users.endpoints: expected a list, not 'http://h:1'; "
         "write [..., ...], or one '- ' line each"),
        (service(endpoints=["http://h:1", "http://H:1/"]), "services.users.endpoints[1]: endpoint 'http://H:1/' is there "
         "twice (services.users.endpoints[0]); remove one; to give it more, use weight"),
        (service(endpoints=[{"url": "http://h:1", "wieght": 2}]),
         "services.users.endpoints[0].wieght: unknown key 'wieght'; did you mean 'weight'?"),
        (service(endpoints=[{"url": "http://h:1", "weight": 0}]),
         "services.users.endpoints[0].weight: weight 0 is out of range; write a whole number from 1 to 1000"),
        (service(endpoints=[{}]), "services.users.endpoints[0]: the key 'url' is missing; add 'url: ...'"),
        (service(load_balancer="round-robin"),
         "services.users.load_balancer: unknown load_balancer 'round-robin'; did you mean 'round_robin'?"),
        (service(load_balancer=["random"]), "services.users.load_balancer: expected one load_balancer, not a list; "
         "write a name, or one 'name: options'"),
        (service(load_balancer={"random": {}, "peak_ewma": {}}), "services.users.load_balancer: "
         "expected one load_balancer, not 2 keys; write a name, or one 'name: options'"),
        (service(load_balancer={"random": {"key": "path"}}),
         "services.users.load_balancer.random.key: unknown key 'key'; the keys here are: none"),
        (service(load_balancer={"consistent_hash": {"key": "cookie"}}), "services.users.load_balancer.consistent_hash.key: "
         "unknown key 'cookie'; there are: client_ip, header:NAME, path"),
        (service(load_balancer={"consistent_hash": {"key": "header:X_Y"}}),
         "services.users.load_balancer.consistent_hash.key: the header 'X_Y' never reaches a route: the edge removes it; "
         "choose another header"),
        (service(transport="grpc"), "services.users.transport: unknown transport 'grpc'; there are: http1, httpx"),
        (service(timeout={"conect": "1s"}), "services.users.timeout.conect: unknown key 'conect'; did you mean 'connect'?"),
        (route(path="a"), "routes[0].path: path 'a': The request target must be a path that begins with '/'; "
         "write a path such as /users, /users/{id} or /users/*"),
        (route(path="/a//b"), "routes[0].path: path '/a//b' is not in canonical form; write '/a/b'; "
         "write a path such as /users, /users/{id} or /users/*"),
        (route(path="/a*"), "routes[0].path: path '/a*': 'a*' is neither literal, nor {name}, nor a last segment '*'; "
         "write a path such as /users, /users/{id} or /users/*"),
        (route(service="userz"), "routes[0].service: service 'userz' is not defined; define it under 'services'; "
         "did you mean 'users'?"),
        (route(methods="GET"), "routes[0].methods: expected a list, not 'GET'; write [..., ...], or one '- ' line each"),
        (route(methods=["G T"]), "routes[0].methods[0]: 'G T' is not a method that a gateway forwards; "
         "write methods such as GET or POST"),
        (route(methods=["CONNECT"]), "routes[0].methods[0]: 'CONNECT' is not a method that a gateway forwards; "
         "write methods such as GET or POST"),
        (route(hosts=["a.b:80"]), "routes[0].hosts[0]: 'a.b:80' is not a host name; "
         "write a name such as api.example.com or *.example.com, without a port"),
        (route(hosts=["a.b", "A.B."]), "routes[0].hosts[1]: host 'a.b' is there twice; remove one"),
        (route(headers={"x y": "1"}), "routes[0].headers.x y: 'x y' is not a header name; use letters, digits and hyphens"),
        (route(headers={"X_Y": "1"}), "routes[0].headers.X_Y: the header 'X_Y' never reaches a route: the edge removes it; "
         "choose another header"),
        (route(headers={"X-A": "1", "x-a": "2"}), "routes[0].headers.x-a: header 'x-a' is there twice; case makes no "
         "difference (routes[0].headers.X-A); remove one"),
        (route(headers={"a": {"regex": "("}}), "routes[0].headers.a.regex: '(' is not a regular expression: "
         "missing ), unterminated subpattern at position 0; correct it; it must match the whole value"),
        (route(query={"a": {"present": False}}), "routes[0].query.a: present cannot be false; "
         "write a text, {present: true} or {regex: '...'}"),
        (route(query={"a": {}}), "routes[0].query.a: expected one demand, not 0; "
         "write a text, {present: true} or {regex: '...'}"),
        (route(query={"a": {"regexp": "x"}}), "routes[0].query.a.regexp: unknown key 'regexp'; did you mean 'regex'?"),
        (route(query={"a": 2}), "routes[0].query.a: expected text, not the number 2; put it in quotes"),
        (route(path="/a", strip_prefix=True), "routes[0].strip_prefix: strip_prefix needs a path that ends in '/*' "
         "(routes[0].path); end the path in '/*', or use rewrite"),
        (route(strip_prefix="on"), "routes[0].strip_prefix: expected true or false, not 'on'; write true or false"),
        (route(strip_prefix=1), "routes[0].strip_prefix: expected true or false, not the number 1; write true or false"),
        (route(strip_prefix=True, rewrite="/b"), "routes[0].rewrite: rewrite and strip_prefix exclude each other "
         "(routes[0].strip_prefix); remove one"),
        (route(rewrite="/{id}"), "routes[0].rewrite: the path has no parameter 'id' (routes[0].path); use the path's names"),
        (route(path="/a", rewrite="/b/*"), "routes[0].rewrite: rewrite uses '*', but the path has no tail "
         "(routes[0].path); end the path in '/*'"),
        (route(host="a b"), "routes[0].host: 'a b' is not a value for Host; write preserve, or a name with an optional port"),
        (route(middleware=["access_log"]), "routes[0].middleware[0]: access_log watches every request and cannot stand on "
         "a route; move it to the 'middleware' list at the top"),
        (route(middleware=[{"deadline": "1s"}, {"deadline": "2s"}]),
         "routes[0].middleware[1]: deadline is there twice (routes[0].middleware[0]); remove one"),
        (route(aggregate={}), "routes[0].aggregate: the aggregate has no parts; add one, such as order: {service: orders, path: '/orders/{id}'}"),
        (top(middleware="request_id"), "middleware: expected a list, not 'request_id'; write [..., ...], or one '- ' line each"),
        (top(middleware=["acces_log"]), "middleware[0]: unknown middleware 'acces_log'; did you mean 'access_log'?"),
        (top(middleware=["body_limit"]), "middleware[0]: body_limit needs a value; write body_limit: 1MiB"),
        (top(middleware=[{"deadline": None}]), "middleware[0]: deadline needs a value; write deadline: 3s"),
        (top(middleware=[{"deadline": "x"}]), "middleware[0].deadline: expected a duration, not 'x'; "
         "write a duration such as 250ms, 3s, 5m or 1h"),
        (top(middleware=[{"access_log": {"format": "xml"}}]),
         "middleware[0].access_log.format: unknown format 'xml'; there are: combined, human, json"),
        (top(middleware=[{"access_log": {"fromat": "json"}}]),
         "middleware[0].access_log.fromat: unknown key 'fromat'; did you mean 'format'?"),
        (top(middleware=[{"access_log": {}, "request_id": {}}]), "middleware[0]: expected one middleware, not 2 keys; "
         "write a name, or one 'name: options', for each entry of the list"),
        (top(middleware=[5]), "middleware[0]: expected one middleware, not the number 5; "
         "write a name, or one 'name: options', for each entry of the list"),
        (top(middleware=["x", "request_id", "y", "request_id"]), "middleware[3]: request_id is there twice (middleware[1]); "
         "remove one"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_place_cause_and_remedy(document: object, said: str) -> None:
    assert said in said_of(document)


@pytest.mark.parametrize(
    "url",
    [
        "", "h:1", "http://", "ftp://h:1", "http://h:65536", "http://h:0", "http://h:x", "http://u:p@h", "http://:p@h:1",
        "http://h/?q", "http://h/#f", "http://h/a b", "http://h/ä", "http://hä/", "http://h/a/../b", "http://h/%zz",
        "http://[::1", "http://h h/", "//h:1",
    ],
)  # fmt: skip
def test_a_url_that_is_no_endpoint_is_refused(url: str) -> None:
    (said,) = said_of(service(endpoints=[url]))
    assert said.startswith("services.users.endpoints[0]")
    assert "write http://host:port" in said or "found none" in said


@pytest.mark.parametrize(
    "url", ["http://h", "https://h:443", "http://[::1]:8080", "http://10.0.0.1:1/base", "http://h/b/"]
)
def test_a_url_of_an_endpoint_is_taken(url: str) -> None:
    assert said_of(service(endpoints=[url])) == []


def test_mistakes_in_all_parts_are_found_in_one_run() -> None:
    document = {
        "zzz": 1,
        "services": {"users": {"endpoints": [], "zzz": 1}, "b": 5},
        "middleware": ["request_id", "zzz", "request_id"],
        "routes": [
            {**ROUTE, "zzz": 1, "service": "nope"},
            {**ROUTE, "path": "zzz", "service": "nada"},
            {"path": "/b", "service": "b", "strip_prefix": True},
            {"path": "/c", "service": "users"},
            {"path": "/c", "service": "users"},
        ],
    }
    places = [re.split(": ", said)[0] for said in said_of(document)]
    assert places == [
        *(
            "middleware[1]",
            "middleware[2]",
            "routes[0].service",
            "routes[0].zzz",
            "routes[1].path",
            "routes[1].service",
        ),
        *("routes[2].strip_prefix", "routes[4]", "services.b", "services.users.endpoints", "services.users.zzz", "zzz"),
    ]


def test_services_in_process_need_no_entry_and_may_not_have_one() -> None:
    assert said_of({"routes": [ROUTE]}, provided=["users"]) == []
    assert said_of(top(), provided=["users"]) == [
        "services.users: service 'users' is given in the configuration and in-process; leave one of them out"
    ]


def test_the_names_of_plugins_are_taken_with_any_options() -> None:
    document = top(middleware=["maintenance", {"maintenance": {"until": ["noon"]}}])
    config, _ = validate(document, plugins=["maintenance"])
    assert config is not None
    assert [(entry.name, entry.options) for entry in config.middleware] == [
        ("maintenance", None),
        ("maintenance", {"until": ["noon"]}),
    ]
    assert said_of(document)[0].startswith("middleware[0]: unknown middleware 'maintenance'")


def test_a_key_path_reads_as_a_person_writes_it() -> None:
    assert key_path(()) == "the configuration"
    assert key_path(("routes", 0, "headers", "x-a")) == "routes[0].headers.x-a"
    assert str(unplaced([Finding(("a",), "cause", "remedy", other=("b", 1))])) == "a: cause (b[1]); remedy"
