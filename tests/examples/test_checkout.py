"""The checkout: however it fails, everything is done exactly once, or undone, or in the hands of a human."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.simulation import run
from examples.checkout.saga_log import MemorySagaLog, SagaEntry
from tests.support.checkout_rig import (
    MANNERS,
    NOTHING_WRONG,
    STEPS,
    TIMEOUT,
    TOTAL,
    TRIES,
    CheckoutRig,
    Manner,
    Scripts,
)

FAILURES = tuple(manner for manner in MANNERS if manner not in ("well", "slow"))
CHANGING = tuple(STEPS)[1:]


async def problem(response: Response) -> dict[str, object]:
    value: dict[str, object] = json.loads(await response.read())
    return value


def test_a_checkout_reserves_charges_orders_and_ships_exactly_once() -> None:
    async def main() -> None:
        async with CheckoutRig() as rig:
            response = await rig.check_out()
            assert response.status == 201
            answer = json.loads(await response.read())
            assert (answer["status"], answer["order_id"], answer["total_cents"]) == ("success", "order-1", TOTAL)
            assert rig.violations(success=True) == []

    run(main)


# Every step in turn, in every manner.


@pytest.mark.parametrize("manner", FAILURES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_in_any_manner_leaves_nothing_behind(step: str, manner: Manner) -> None:
    async def main() -> None:
        async with CheckoutRig({step: [manner]}) as rig:
            response = await rig.check_out()
            assert response.status in (409, 502)
            assert (await problem(response))["step"] == step
            await rig.settled()
            assert rig.violations(success=False) == []
            assert rig.log.needs_human == []

    run(main)


@pytest.mark.parametrize("moment", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("manner", ["hanging", "lost", "late", "slow", "well"])
@pytest.mark.parametrize("step", STEPS)
def test_a_client_that_leaves_during_a_step_leaves_nothing_half_done(step: str, manner: Manner, moment: float) -> None:
    async def main() -> None:
        async with CheckoutRig({step: [manner]}) as rig:
            client = asyncio.create_task(rig.check_out())
            await asyncio.sleep(moment)
            client.cancel()
            await asyncio.wait([client])
            await rig.settled()
            again = await rig.check_out()
            assert rig.violations(success=again.status == 201) == []
            assert rig.log.needs_human == []

    run(main)


@pytest.mark.parametrize("step", ["validate", "reserve"])
def test_a_client_that_leaves_before_payment_ends_the_checkout(step: str) -> None:
    async def main() -> None:
        async with CheckoutRig({step: ["slow"]}) as rig:
            client = asyncio.create_task(rig.check_out())
            await asyncio.sleep(1)
            client.cancel()
            await rig.settled()
            again = await rig.check_out()
            assert (again.status, (await problem(again))["code"]) == (409, "checkout-abandoned")
            assert rig.services["payments"].calls == []
            assert rig.violations(success=False) == []

    run(main)


@pytest.mark.parametrize("moment", [tenths / 10 + 0.05 for tenths in range(0, 45, 5)])
def test_a_client_that_leaves_while_the_log_is_slow_leaves_nothing_half_done(moment: float) -> None:
    class SlowLog(MemorySagaLog):
        async def append(self, entry: SagaEntry) -> None:
            await super().append(entry)
            await asyncio.sleep(0.5)

    async def main() -> None:
        log = SlowLog()
        async with CheckoutRig(log=log) as rig:
            client = asyncio.create_task(rig.check_out())
            await asyncio.sleep(moment)
            client.cancel()
            await rig.settled()
            again = await rig.check_out()
            # Two lines for each of validate and reserve, then "trying" for pay, from which on there is no return.
            assert again.status == (409 if moment < 2 else 201)
            assert rig.violations(success=again.status == 201) == []
            assert (log.needs_human, log.unfinished) == ([], {})

    run(main)


@pytest.mark.parametrize("step", ["pay", "order", "ship"])
def test_a_client_that_leaves_after_payment_began_finds_the_order_when_it_comes_back(step: str) -> None:
    async def main() -> None:
        async with CheckoutRig({step: ["slow"]}) as rig:
            client = asyncio.create_task(rig.check_out())
            await asyncio.sleep(1)
            client.cancel()
            await rig.settled()
            again = await rig.check_out()
            assert (again.status, again.header("idempotent-replayed")) == (201, "true")
            assert rig.violations(success=True) == []

    run(main)


def test_the_deadline_answers_the_client_and_the_checkout_goes_on() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["slow"], "ship": ["slow"]}, deadline="1s") as rig:
            assert (await rig.check_out()).status == 504
            running = await rig.check_out()
            assert (running.status, running.header("retry-after")) == (409, "1")
            assert (await problem(running))["code"] == "checkout-running"
            await rig.settled()
            assert (await rig.check_out()).status == 201
            assert rig.violations(success=True) == []

    run(main)


def test_the_deadline_before_payment_undoes_the_reservation() -> None:
    async def main() -> None:
        async with CheckoutRig({"reserve": ["lost"]}, deadline="1s") as rig:
            assert (await rig.check_out()).status == 504
            await rig.settled()
            assert rig.violations(success=False) == []

    run(main)


# Undoing.


def test_undoing_goes_backwards() -> None:
    async def main() -> None:
        async with CheckoutRig({"ship": ["broken after"]}) as rig:
            order: list[str] = []
            log = rig.log.append

            async def append(entry: SagaEntry) -> None:
                if entry.event == "undone":
                    order.append(entry.step)
                await log(entry)

            rig.log.append = append  # type: ignore[method-assign]
            await rig.check_out()
            assert order == ["ship", "order", "pay", "reserve"]

    run(main)


def test_what_was_certainly_not_done_is_not_undone() -> None:
    async def main() -> None:
        for manner in ("refused", "unreachable"):
            async with CheckoutRig({"pay": [manner]}) as rig:
                await rig.check_out()
                assert rig.services["payments"].calls == ["PUT"]
                assert rig.services["inventory"].calls == ["PUT", "DELETE"]

    run(main)


def test_undoing_is_tried_again_with_growing_pauses_and_then_given_to_a_human(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with CheckoutRig({"ship": ["refused"]}, {"pay": ["unreachable"] * 99}) as rig:
            loop = asyncio.get_running_loop()
            response = await rig.check_out()
            assert loop.time() == pytest.approx(0.1 + 0.2)
            assert rig.services["payments"].calls == ["PUT", *["DELETE"] * TRIES]
            assert [entry.step for entry in rig.log.needs_human] == ["pay"]
            assert rig.violations(success=False) == []
            assert not rig.shop.inventory.made, "one that cannot be undone does not keep the others from it"
            assert response.status == 500
            assert (await problem(response))["left"] == ["pay"]

    with caplog.at_level(logging.ERROR, "api_gateway.checkout"):
        run(main)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "step pay could not be undone, a human must" in line


def test_a_refusal_to_undo_goes_to_a_human_at_once() -> None:
    async def main() -> None:
        async with CheckoutRig({"ship": ["broken"]}, {"order": ["refused"]}) as rig:
            assert (await rig.check_out()).status == 500
            assert rig.services["orders"].calls == ["PUT", "DELETE"]
            assert [entry.step for entry in rig.log.needs_human] == ["order"]

    run(main)


def test_a_short_trouble_while_undoing_is_got_over() -> None:
    async def main() -> None:
        async with CheckoutRig({"ship": ["cut"]}, {"ship": ["lost", "busy"], "pay": ["reset", "late"]}) as rig:
            assert (await rig.check_out()).status == 502
            await rig.settled()
            assert rig.violations(success=False) == []
            assert rig.log.needs_human == []

    run(main)


# Retries of the service's own.


def test_a_retry_of_a_step_charges_once() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["reset"]}, retry=True) as rig:
            assert (await rig.check_out()).status == 201
            assert rig.services["payments"].calls == ["PUT", "PUT"]
            assert rig.violations(success=True) == []

    run(main)


@pytest.mark.parametrize("second", ["unreachable", "refused"])
def test_a_retry_that_was_certainly_not_done_says_nothing_of_the_try_before(second: Manner) -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["reset", second]}, retry=True) as rig:
            assert (await rig.check_out()).status == 502
            assert rig.violations(success=False) == []

    run(main)


# The same request, more than once.


def test_of_many_at_once_with_one_key_one_is_worked_on() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["slow"]}) as rig:
            answers = await asyncio.gather(*(rig.check_out() for _ in range(5)))
            assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
            assert rig.violations(success=True) == []
            replay = await rig.check_out()
            assert (replay.status, replay.header("idempotent-replayed")) == (201, "true")
            first = next(answer for answer in answers if answer.status == 201)
            assert first.header("idempotent-replayed") is None
            assert await replay.read() == await first.read()

    run(main)


def test_a_failure_is_repeated_too_and_a_new_key_is_a_new_try() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["broken"]}) as rig:
            first, again, new = [await rig.check_out(key) for key in ("k1", "k1", "k2")]
            assert (first.status, again.status, new.status) == (502, 502, 201)
            assert await first.read() == await again.read()

    run(main)


def test_one_key_with_two_bodies_is_422() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["slow"]}) as rig:
            first = asyncio.create_task(rig.check_out())
            await asyncio.sleep(1)
            assert (await rig.check_out(cart="c2")).status == 422, "while the first one runs"
            assert (await first).status == 201
            assert (await rig.check_out(cart="c2")).status == 422, "and afterwards"
            assert rig.violations(success=True) == []

    run(main)


def test_the_same_key_of_another_caller_is_another_key() -> None:
    async def main() -> None:
        async with CheckoutRig() as rig:
            assert (await rig.check_out()).status == 201
            other = await rig.check_out(who="bob")
            assert (other.status, other.header("idempotent-replayed")) == (404, None), "it is not bob's cart"

    run(main)


def test_more_than_may_run_are_503_and_their_key_is_free() -> None:
    async def main() -> None:
        async with CheckoutRig({"pay": ["slow"]}, most_running=1) as rig:
            first = asyncio.create_task(rig.check_out("k1"))
            await asyncio.sleep(1)
            assert (await rig.check_out("k2", cart="c2")).status == 503
            assert (await first).status == 201
            assert (await rig.check_out("k2", cart="c2")).status == 201

    run(main)


# What the client gets wrong, or does not get.


@pytest.mark.parametrize(
    ("cart", "method", "status", "reason"),
    [
        ("c1", "card-poor", 402, "the card was declined"),
        ("none", "card-good", 404, "there is no such cart"),
        ("empty", "card-good", 422, "the cart is empty"),
    ],
)
def test_a_refusal_reaches_the_client_with_its_reason(cart: str, method: str, status: int, reason: str) -> None:
    async def main() -> None:
        async with CheckoutRig() as rig:
            response = await rig.check_out(cart=cart, method=method)
            assert response.status == status
            answer = await problem(response)
            assert (answer["code"], reason in str(answer["detail"])) == ("checkout-refused", True)
            assert response.header("content-type") == "application/problem+json"
            assert rig.violations(success=False) == []

    run(main)


def test_what_is_out_of_stock_is_409() -> None:
    async def main() -> None:
        async with CheckoutRig() as rig:
            rig.shop.inventory.stock["kettle"] = 0
            response = await rig.check_out()
            assert (response.status, (await problem(response))["step"]) == (409, "reserve")
            assert rig.shop.inventory.stock == {"tea": 10, "kettle": 0}

    run(main)


GOOD = b'{"cart_id": "c1", "payment_method": "card-good", "shipping_address": "x"}'


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"x-who": "ada"}, GOOD, 400),
        ({"x-who": "ada", "idempotency-key": '""'}, GOOD, 400),
        ({"idempotency-key": '"k"'}, GOOD, 403),
        ({"x-who": "ada", "idempotency-key": '"k"'}, b"{", 400),
        ({"x-who": "ada", "idempotency-key": '"k"'}, b"[" * 60_000, 400),
        ({"x-who": "ada", "idempotency-key": '"k"'}, b"{}", 400),
        ({"x-who": "ada", "idempotency-key": '"k"'}, GOOD.replace(b"c1", b"../payments"), 400),
        ({"x-who": "ada", "idempotency-key": '"k"'}, GOOD.replace(b'"c1"', b"1"), 400),
        ({"x-who": "ada", "idempotency-key": '"k"'}, b" " * 65_537, 413),
    ],
)
def test_what_is_not_a_checkout_is_refused_before_anything_is_asked(
    headers: dict[str, str], body: bytes, status: int
) -> None:
    async def main() -> None:
        async with CheckoutRig() as rig:
            response = await rig.gateway.handle(Request("POST", "/api/checkout", headers, body))
            assert response.status == status
            assert rig.services["carts"].calls == []

    run(main)


# The log.


@pytest.mark.parametrize("broken", range(12))
def test_a_log_that_fails_ends_the_checkout_and_everything_is_undone(broken: int) -> None:
    class FailingLog(MemorySagaLog):
        lines = 0

        async def append(self, entry: SagaEntry) -> None:
            self.lines += 1
            if self.lines - 1 == broken:
                raise OSError("the disk is full")
            await super().append(entry)

    async def main() -> None:
        rig = CheckoutRig(log=FailingLog())
        response = await rig.check_out()
        await rig.settled()
        assert response.status == (502 if broken < 10 else 201)
        assert rig.violations(success=response.status == 201) == []

    run(main)


def test_every_step_is_in_the_log_before_its_service_is_asked() -> None:
    async def main() -> None:
        async with CheckoutRig(dict.fromkeys(STEPS, ("slow",))) as rig:
            client = asyncio.create_task(rig.check_out())
            for step in STEPS:
                await asyncio.sleep(1)
                (lines,) = rig.log.unfinished.values()
                assert (lines[-1].step, lines[-1].event) == (step, "trying")
                await asyncio.sleep(1)
            assert (await client).status == 201

    run(main)


# A crash. The README says what is lost; this is what it means.


async def killed_after(seconds: float, doing: Scripts, undone: Scripts = NOTHING_WRONG) -> CheckoutRig:
    """A checkout whose process ends in the middle, and a new one that knows nothing of it."""
    rig = CheckoutRig(doing, undone)
    client = asyncio.create_task(rig.check_out())
    await asyncio.sleep(seconds)
    await rig.checkout.close(seconds=0)
    await asyncio.wait([client])
    rig.restart()
    return rig


def test_a_crash_leaves_the_customer_charged_and_nothing_shipped_and_nobody_knows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        rig = await killed_after(1, {"order": ["hanging"]})
        await asyncio.sleep(24 * 3600)
        assert len(rig.shop.inventory.made) == 1
        assert rig.shop.payments.takings == TOTAL
        assert not rig.shop.orders.made
        assert not rig.shop.shipping.made
        assert rig.log.unfinished == {}
        assert rig.log.needs_human == []

    with caplog.at_level(logging.ERROR, "api_gateway.checkout"):
        run(main)
    assert "cut off in step order; nothing is undone" in caplog.text


def test_after_a_crash_the_same_key_names_the_same_steps_so_a_client_that_comes_back_is_charged_once() -> None:
    async def main() -> None:
        rig = await killed_after(1, {"order": ["hanging"]})
        assert (await rig.check_out()).status == 201
        assert rig.violations(success=True) == []

    run(main)


def test_after_a_crash_while_undoing_a_client_that_comes_back_has_the_rest_undone() -> None:
    async def main() -> None:
        rig = await killed_after(1, {"ship": ["broken"]}, {"order": ["hanging"]})
        assert len(rig.shop.orders.made) == 1
        assert rig.shop.payments.takings == TOTAL
        assert (await rig.check_out()).status == 409
        assert rig.violations(success=False) == []

    run(main)


def test_two_gateways_with_one_key_can_undo_what_the_other_has_reported_as_done() -> None:
    async def main() -> None:
        async with CheckoutRig({"ship": ["slow", "hanging"]}) as rig:
            first = asyncio.create_task(rig.check_out())
            await asyncio.sleep(1)
            rig.restart()  # a second gateway before the same services; the first one runs on
            second = asyncio.create_task(rig.check_out())
            assert (await first).status == 201
            assert (await second).status == 502
            assert rig.violations(success=True) == [f"{step} was not done" for step in CHANGING]

    run(main)


# Any combination.

SCRIPT = st.lists(st.sampled_from(MANNERS), max_size=TRIES + 1)


@settings(max_examples=300)
@given(
    doing=st.dictionaries(st.sampled_from(tuple(STEPS)), SCRIPT),
    undone=st.dictionaries(st.sampled_from(CHANGING), SCRIPT),
    retry=st.booleans(),
    leaves=st.none() | st.floats(0, 15),
)
def test_a_checkout_is_done_once_or_undone_or_in_the_hands_of_a_human(
    doing: Scripts, undone: Scripts, retry: bool, leaves: float | None
) -> None:
    async def main() -> None:
        rig = CheckoutRig(doing, undone, retry=retry)
        client = asyncio.create_task(rig.check_out())
        await asyncio.wait([client], timeout=leaves)
        client.cancel()
        await asyncio.wait([client])
        await rig.settled()
        answer = await rig.check_out()
        assert rig.violations(success=answer.status == 201) == []
        assert (answer.status == 500) == bool(rig.log.needs_human)
        for entry in rig.log.needs_human:
            assert undone.get(entry.step), "undoing it failed"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    logging.disable(logging.CRITICAL)
    try:
        run(main)
    finally:
        logging.disable(logging.NOTSET)


# The seed's own code, and what the tests above are worth.


class NaiveCheckout:
    """Step by step, and one `catch` for everything: there is no way back."""

    async def __call__(self, services: dict[str, Handler], request: Request) -> Response:
        try:
            await self.pursue(services)
        except Exception as error:
            return Response.json({"error": str(error)}, 500)
        return Response.json({"status": "success"})

    async def pursue(self, services: dict[str, Handler]) -> None:
        for step in CHANGING:
            await self.ask(services, step)

    async def ask(self, services: dict[str, Handler], step: str) -> None:
        paths = {"reserve": "reservations", "pay": "payments", "order": "orders", "ship": "shipments"}
        body = {"items": [{"product_id": "tea", "quantity": 2}], "method": "card-good", "amount_cents": TOTAL}
        request = Request("PUT", f"/{paths[step]}/1", (), json.dumps(body).encode())
        async with asyncio.timeout(TIMEOUT):
            response = await services[STEPS[step]](request, RequestContext())
            await response.read()
        if response.status >= 400:
            raise RuntimeError(f"{step} failed")


class AllAtOnce(NaiveCheckout):
    """With Promise.all: faster, and when one fails nobody knows what the others did."""

    async def pursue(self, services: dict[str, Handler]) -> None:
        await asyncio.gather(*(self.ask(services, step) for step in CHANGING))


@pytest.mark.parametrize("naive", [NaiveCheckout, AllAtOnce])
def test_the_naive_checkout_says_that_it_failed_and_keeps_the_money(naive: type[NaiveCheckout]) -> None:
    async def main() -> None:
        rig = CheckoutRig({"ship": ["broken"]})
        services: dict[str, Handler] = {**rig.services}
        response = await naive()(services, Request("POST", "/api/checkout"))
        assert response.status == 500
        assert rig.violations(success=False) == [
            "reserve was not undone",
            "pay was not undone",
            "order was not undone",
        ]

    run(main)
