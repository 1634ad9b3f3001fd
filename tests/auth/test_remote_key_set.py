"""Keys of a provider, in virtual time: fetched once, renewed, rotated, and kept while it is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from api_gateway.auth.key_set import KeySet
from api_gateway.auth.remote_key_set import LARGEST, RemoteKeySet
from api_gateway.core.errors import CircuitOpen, IdentityUnavailable
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.simulation import VirtualClock, run
from tests.support.jwt_tokens import EC, OTHER_EC, RSA, Provider, jwk, jwks

DAY = 86_400.0


def remote(
    provider: Provider,
    *,
    max_age: float = 600.0,
    refetch_every: float = 10.0,
    stale_for: float = DAY,
    timeout: float = 5.0,
) -> RemoteKeySet:
    return RemoteKeySet(
        provider,
        "/jwks?v=1",
        max_age=max_age,
        refetch_every=refetch_every,
        stale_for=stale_for,
        timeout=timeout,
        clock=VirtualClock(),
    )


async def keys_for(source: RemoteKeySet) -> KeySet:
    """The keys as an authenticator gets them that knows every kid."""
    keys = source.current
    return keys if keys is not None else await source.look_again()


def down(provider: Provider) -> None:
    provider.error = ConnectFailed("refused")


def test_building_and_closing_asks_nobody() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        await source.close()
        assert provider.requests == []
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_the_first_token_fetches_the_keys() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        assert source.current is None
        keys = await keys_for(source)
        assert keys.find("ES256", "ec") is not None
        assert source.current is keys
        assert (source.fetches, source.failures, source.unknown_kid) == (1, 0, 0)
        request = provider.requests[0]
        assert (request.method, request.target) == ("GET", "/jwks?v=1")
        assert not provider.responses[0].held
        await source.close()

    run(main)


def test_a_thousand_at_once_make_one_fetch() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        source = remote(provider)
        sets = await asyncio.gather(*(keys_for(source) for _ in range(1000)))
        assert len(provider.requests) == 1
        assert len({id(keys) for keys in sets}) == 1

    run(main)


def test_a_thousand_at_once_fail_with_one_fetch() -> None:
    async def main() -> None:
        provider = Provider(delay=1.0)
        down(provider)
        source = remote(provider)
        results = await asyncio.gather(*(keys_for(source) for _ in range(1000)), return_exceptions=True)
        assert all(isinstance(result, IdentityUnavailable) for result in results)
        assert (len(provider.requests), source.failures) == (1, 1)

    run(main)


@pytest.mark.parametrize("leaves", [0, 1])
def test_one_who_leaves_takes_the_fetch_away_from_nobody(leaves: int) -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        source = remote(provider)
        waiters = [asyncio.create_task(keys_for(source)) for _ in range(3)]
        await asyncio.sleep(0.5)
        waiters[leaves].cancel()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert isinstance(results[leaves], asyncio.CancelledError)
        others = [result for number, result in enumerate(results) if number != leaves]
        assert others == [source.current, source.current]
        assert len(provider.requests) == 1

    run(main)


def test_what_all_have_left_is_there_for_the_next() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        source = remote(provider)
        waiter = asyncio.create_task(keys_for(source))
        await asyncio.sleep(0.5)
        waiter.cancel()
        await asyncio.wait([waiter])
        await asyncio.sleep(1)
        assert source.current is not None
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_closing_ends_a_fetch_and_tells_those_who_wait() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        source = remote(provider)
        waiter = asyncio.create_task(keys_for(source))
        await asyncio.sleep(0.5)
        await source.close()
        await source.close()
        assert provider.running == 0
        with pytest.raises(IdentityUnavailable):
            await waiter
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_keys_are_renewed_in_the_background_before_they_end() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        source = remote(provider, max_age=600.0)
        first = await keys_for(source)
        await asyncio.sleep(479)
        assert source.current is first
        assert provider.running == 0
        await asyncio.sleep(2)
        provider.document = jwks(OTHER_EC)
        assert source.current is first, "nobody waits"
        await asyncio.sleep(0)
        assert provider.running == 1
        assert source.current is first
        await asyncio.sleep(1.1)
        second = source.current
        assert second is not None
        assert second.find("ES256", "ec") is None
        assert second.find("ES256", "ec-2") is not None
        assert source.fetches == 2

    run(main)


def test_a_withdrawn_key_is_gone_after_max_age_though_nobody_asked_meanwhile() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider, max_age=600.0)
        await keys_for(source)
        provider.document = jwks(OTHER_EC)
        await asyncio.sleep(601)
        assert source.current is None
        assert (await keys_for(source)).find("ES256", "ec") is None

    run(main)


def test_the_same_keys_stay_the_same_object() -> None:
    async def main() -> None:
        source = remote(Provider(jwks(EC)))
        first = await keys_for(source)
        for _ in range(5):
            await asyncio.sleep(601)
            assert await keys_for(source) is first
        assert source.fetches == 6

    run(main)


@pytest.mark.parametrize(
    ("said", "fresh"),
    [
        ("", 600),
        ("public, max-age=120", 120),
        ("MAX-AGE=120", 120),
        ('max-age="120"', 120),
        ("max-age=1", 60),
        ("max-age=86400", 600),
        ("max-age=99999999999999999999", 600),
        ("s-maxage=70", 600),
        ("x-max-age=70", 600),
        ("max-age=-1", 600),
        ("no-store", 60),
        ("no-cache, max-age=120", 60),
    ],
)
def test_the_provider_says_how_long_within_bounds(said: str, fresh: int) -> None:
    async def main() -> None:
        source = remote(Provider(jwks(EC), cache_control=said), max_age=600.0)
        await keys_for(source)
        await asyncio.sleep(fresh * 0.8 - 1)
        assert source.current is not None
        assert source.fetches == 1
        await asyncio.sleep(fresh * 0.2 + 2)
        assert source.current is None

    run(main)


def test_an_unknown_key_fetches_at_most_once_in_refetch_every() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider, refetch_every=10.0)
        await keys_for(source)
        for _ in range(1000):
            await source.look_again()
        assert (source.fetches, source.unknown_kid) == (1, 1000), "it was fetched just now"
        for _ in range(100):
            await asyncio.sleep(1)
            await source.look_again()
        assert 10 <= source.fetches <= 11

    run(main)


def test_a_rotated_key_is_found_by_its_first_token() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        await keys_for(source)
        await asyncio.sleep(11)
        provider.document = jwks(EC, OTHER_EC)
        assert (await source.look_again()).find("ES256", "ec-2") is not None

    run(main)


def test_while_the_provider_is_down_the_last_good_keys_are_used(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=0.1)
        source = remote(provider, max_age=600.0, refetch_every=10.0, stale_for=DAY)
        first = await keys_for(source)
        await asyncio.sleep(500)
        down(provider)
        for _ in range(200):
            assert await keys_for(source) is first
            await asyncio.sleep(1)
        assert source.stale_served == 100
        assert 18 <= source.failures <= 21, "asked again every ten seconds"
        provider.error = None
        await asyncio.sleep(11)
        await keys_for(source)
        await asyncio.sleep(1)
        served = source.stale_served
        assert source.current is first
        assert source.stale_served == served, "fresh again"

    with caplog.at_level(logging.INFO, "api_gateway.jwks"):
        run(main)
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "INFO"], "once for each change"
    assert "last good keys stay in use" in caplog.messages[1]
    assert "refused" in caplog.messages[1]
    assert caplog.messages[2] == "the identity provider is back"


def test_stale_keys_end() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider, max_age=600.0, stale_for=3600.0)
        await keys_for(source)
        down(provider)
        await asyncio.sleep(4100)
        await keys_for(source)
        await asyncio.sleep(120)
        assert source.current is None
        with pytest.raises(IdentityUnavailable):
            await keys_for(source)

    run(main)


def test_stale_for_nothing_is_no_staleness() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider, max_age=600.0, stale_for=0.0)
        await keys_for(source)
        down(provider)
        await asyncio.sleep(601)
        with pytest.raises(IdentityUnavailable):
            await keys_for(source)

    run(main)


def test_an_outage_from_the_start_is_503_and_not_a_fetch_for_each_request() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=0.1)
        down(provider)
        source = remote(provider)
        for _ in range(1000):
            with pytest.raises(IdentityUnavailable):
                await keys_for(source)
            await asyncio.sleep(0.01)
        assert source.fetches <= 12
        assert source.fetches == source.failures
        provider.error = None
        await asyncio.sleep(1.1)
        assert (await keys_for(source)).find("ES256", "ec") is not None

    run(main)


def test_an_outage_does_not_make_the_unknown_known() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        first = await keys_for(source)
        await asyncio.sleep(20)
        down(provider)
        assert await source.look_again() is first
        assert (source.failures, source.unknown_kid) == (1, 1)

    run(main)


def test_a_provider_that_hangs_is_left_after_the_timeout() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=3600.0)
        source = remote(provider, timeout=5.0)
        started = asyncio.get_running_loop().time()
        with pytest.raises(IdentityUnavailable):
            await keys_for(source)
        assert asyncio.get_running_loop().time() - started == pytest.approx(5.0)
        assert provider.running == 0

    run(main)


def _status(status: int) -> Callable[[Provider], None]:
    def spoil(provider: Provider) -> None:
        provider.status = status

    return spoil


def _document(document: bytes) -> Callable[[Provider], None]:
    def spoil(provider: Provider) -> None:
        provider.document = document

    return spoil


def _error(error: Exception) -> Callable[[Provider], None]:
    def spoil(provider: Provider) -> None:
        provider.error = error

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_status(404), "it answered 404"),
        (_status(500), "it answered 500"),
        (_status(302), "it answered 302"),
        (_status(206), "it answered 206"),
        (_document(b"<html>"), "not a JWKS document"),
        (_document(b"[]"), "not a JSON object"),
        (_document(b'{"keys": []}'), "no usable key"),
        (_document(jwks(jwk(RSA, use="enc"))), "no usable key"),
        (_document(jwks(EC) + b" " * LARGEST), "longer than 262144 bytes"),
        (_error(CircuitOpen("left alone")), "left alone"),
        (_error(TimeoutError()), "no answer within 5 s"),
        (_error(RuntimeError("a bug")), "a defect: RuntimeError"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(
    spoil: Callable[[Provider], None], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        first = await keys_for(source)
        spoil(provider)
        await asyncio.sleep(601)
        assert await keys_for(source) is first, "the last good keys"
        assert (source.fetches, source.failures, source.stale_served) == (2, 1, 1)
        assert not any(response.held for response in provider.responses)

        new = Provider(jwks(EC))
        spoil(new)
        with pytest.raises(IdentityUnavailable):
            await keys_for(remote(new))

    with caplog.at_level(logging.ERROR, "api_gateway.jwks"):
        run(main)
    assert any(reason in message for message in caplog.messages)


def test_an_endless_answer_is_cut_off_and_closed() -> None:
    closed = []

    async def endless() -> object:
        try:
            while True:
                await asyncio.sleep(0)
                yield b" " * 4096
        finally:
            closed.append(True)

    async def provider(request: Request, context: RequestContext) -> Response:
        return Response(200, (), endless())  # type: ignore[arg-type]  # an iterator of bytes

    async def main() -> None:
        source = RemoteKeySet(provider, "/jwks", clock=VirtualClock())
        with pytest.raises(IdentityUnavailable):
            await keys_for(source)
        assert closed == [True]

    run(main)


@pytest.mark.parametrize("status", [200, 302, 500])
def test_an_answer_frees_what_it_holds_whatever_it_is(status: int) -> None:
    async def main() -> None:
        freed = []

        async def provider(request: Request, context: RequestContext) -> Response:
            response = Response(status, (), jwks(EC))
            response.on_close(lambda: freed.append(status))
            return response

        source = RemoteKeySet(provider, "/jwks", clock=VirtualClock())
        if status == 200:
            await keys_for(source)
        else:
            with pytest.raises(IdentityUnavailable):
                await keys_for(source)
        assert freed == [status]

    run(main)


def test_keys_that_are_left_out_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        source = remote(Provider(jwks(EC, jwk(RSA, use="enc"))))
        for _ in range(3):
            await keys_for(source)
            await asyncio.sleep(601)

    with caplog.at_level(logging.INFO, "api_gateway.jwks"):
        run(main)
    assert caplog.messages == [
        "the identity provider publishes 1 usable keys",
        "the identity provider: key 2 ('rsa') is left out: its use is not sig",
    ]


def test_an_old_outage_is_not_taken_for_one_that_lasts() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = remote(provider)
        await keys_for(source)
        down(provider)
        await asyncio.sleep(601)
        await keys_for(source)
        provider.error, provider.document = None, jwks(OTHER_EC)
        await asyncio.sleep(3600)
        assert (await keys_for(source)).find("ES256", "ec") is None, "asked before the old keys were trusted again"

    run(main)
