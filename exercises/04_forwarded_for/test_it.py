"""An entry is worth as much as whoever wrote it."""

from __future__ import annotations

from ipaddress import ip_network
from random import Random

from broken import client_address

from api_gateway import Request

OURS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
CLIENT = "203.0.113.9"


def seen(peer: str, *fields: str) -> str:
    return client_address(Request("GET", "/", headers=[("x-forwarded-for", field) for field in fields]), peer, OURS)


def test_our_proxies_tell_who_the_client_is() -> None:
    assert seen("10.0.0.2", CLIENT) == CLIENT, "one proxy of ours: its peer is the client"
    assert seen("10.0.0.2", f"{CLIENT}, 10.0.0.1") == CLIENT, "two proxies of ours: the inner one is not the client"
    assert seen("10.0.0.2", CLIENT, "10.0.0.1") == CLIENT, "two lines of a field are one list (RFC 9110 5.3)"
    assert seen("fd00::2", "2001:db8::7") == "2001:db8::7", "the same with IPv6"


def test_without_a_header_the_peer_is_the_client() -> None:
    assert seen(CLIENT) == CLIENT, "nobody forwarded anything"
    assert seen("10.0.0.7") == "10.0.0.7", "a service of ours may call by itself"


def test_a_stranger_is_not_believed() -> None:
    address = seen(CLIENT, "127.0.0.1")
    assert address == CLIENT, f"a client connected directly, claimed to be {address}, and was believed"


def test_what_a_client_writes_in_front_changes_nothing() -> None:
    address = seen("10.0.0.2", f"127.0.0.1, {CLIENT}, 10.0.0.1")
    assert address == CLIENT, f"the client sent `X-Forwarded-For: 127.0.0.1` itself, and became {address}"


def test_nobody_can_choose_their_own_address() -> None:
    random = Random(4)
    lies = ["127.0.0.1", "10.0.0.9", "10.9.9.9", "unknown", "::1", "<script>", "198.51.100.1", "a b", "_hidden"]
    for _ in range(2_000):
        proxies = [f"10.0.0.{random.randrange(9)}" for _ in range(random.randrange(4))]
        claimed = random.choices(lies, k=random.randrange(4))
        # What the client sent, then what each proxy saw; the last of them is our own peer.
        chain = [*claimed, CLIENT, *proxies]
        peer = chain.pop()
        address = seen(peer, ", ".join(chain)) if chain else seen(peer)
        assert address == CLIENT, f"peer {peer}, X-Forwarded-For {chain}: the client is {CLIENT}, not {address}"
