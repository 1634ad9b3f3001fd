"""What mends the symptom only does not pass; another right way does."""

from __future__ import annotations

from pathlib import Path

import pytest

from exercises.catalogue import catalogue
from exercises.trial import try_out

EXERCISES = {exercise.number: exercise for exercise in catalogue()}

PACKAGE_LIMITER = "from api_gateway.rate_limiting import {} as Limiter\nNANOSECONDS = 1_000_000_000\n"

SYMPTOMS: dict[str, tuple[int, str, str]] = {
    "a slash behind the prefix": (1, "path.startswith(prefix)", 'path.startswith(prefix + "/")'),
    "the boundary, but the first match": (
        1,
        "path.startswith(prefix)",
        'path == prefix or path.startswith(prefix.rstrip("/") + "/")',
    ),
    "the last word of the field": (2, '.replace("Bearer ", "")', '.split(" ")[-1]'),
    "the scheme by its length": (2, '.replace("Bearer ", "")', '[len("Bearer ") :]'),
    "the caller, but no Vary": (
        3,
        "(request.method, request.path, request.query)",
        '(request.path, request.query, context.identity.key if context.identity else "")',
    ),
    "the caller and the language": (
        3,
        "(request.method, request.path, request.query)",
        '(request.target, str(context.identity), request.header("accept-language") or "")',
    ),
    "the last entry": (4, "chain[0]", "chain[-1]"),
    "the last but one": (4, "chain[0]", "chain[-2:][0]"),
    "never the header": (4, "chain[0] if chain else peer", "peer"),
    "the first entry, from our proxies only": (
        4,
        "chain[0] if chain else peer",
        'chain[0] if chain and any(__import__("ipaddress").ip_address(peer) in net for net in trusted) else peer',
    ),
    "nothing that is named": (5, ", *named)", ")"),
    "all but the identity": (5, ", *named)", ', *(name for name in named if name != "x-user-id"))'),
    "a dot before the name": (6, "endswith(self._site)", 'endswith((f".{self._site}", f"//{self._site}"))'),
    "the name somewhere in it": (6, "origin.endswith(self._site)", 'f"https://{self._site}" in origin'),
    "without the dots": (7, 'f"{kid}.pem"', '"{}.pem".format(kid.replace("../", ""))'),
    "resolved, and compared by characters": (
        7,
        "if not file.exists()",
        "if not str(file.resolve()).startswith(str(self._folder.resolve())) or not file.exists()",
    ),
    "a window that begins with the first request": (
        8,
        "if window != now // self._period:\n            window, count = now // self._period, 0",
        "if now >= window + self._period:\n            window, count = now, 0",
    ),
    "without the port": (9, "return remote", 'return remote.rpartition(":")[0]'),
    "the identity, else the address": (
        9,
        "if api_key:\n        return api_key\n    return remote",
        'if context.identity:\n        return context.identity.subject\n    return remote.rpartition(":")[0]',
    ),
    "an expiry with every request": (
        10,
        '[count] = await self._store.execute(("INCR", key))\n        if count == 1:\n            await self._store'
        '.execute(("EXPIRE", key, self._period))',
        '[count, _] = await self._store.execute(("INCR", key), ("EXPIRE", key, self._period))',
    ),
    "no retries for POST": (
        11,
        "for _ in range(self._attempts - 1):",
        'for _ in range(self._attempts - 1 if request.method != "POST" else 0):',
    ),
    "retries only where nothing was sent": (
        11,
        "except UpstreamError:\n                continue",
        """\
except UpstreamError as error:
                if error.sent:
                    raise
                continue""",
    ),
    "fewer attempts": (12, "attempts: int = 4", "attempts: int = 2"),
    "a pause between tries": (
        12,
        "raise\n",
        "raise\n                await __import__('asyncio').sleep(0.1 * 2**tries)\n",
    ),
    "no retries": (12, "attempts: int = 4", "attempts: int = 1"),
    "a third of the time for each try": (13, "timeout(self._seconds)", "timeout(self._seconds / self._attempts)"),
    "one try": (13, "range(self._attempts)", "range(1)"),
    "only one probe, until it reports": (
        14,
        "return Permit(now)",
        """\
if self.state == "half open":
            if getattr(self, "out", 0) >= self._probes:
                return None
            self.out = getattr(self, "out", 0) + 1
        return Permit(now)""",
    ),
    "chance": (
        15,
        "        self._turn += 1\n",
        "        self._turn += 1\n        __import__('random').Random(self._turn).shuffle(turns)\n",
    ),
    "shuffled rounds": (
        15,
        "        self._turn += 1\n",
        "        __import__('random').Random(7).shuffle(turns)\n        self._turn += 1\n",
    ),
    "turns instead of load": (16, "(endpoint.in_flight, self._chosen", "(0, self._chosen"),
    "never again after a failure": (
        16,
        "        return chosen",
        """\
        return chosen

    def learn(self, endpoint: Endpoint, duration: int, outcome: str) -> None:
        if outcome == "failed":
            endpoint.in_flight += 10**6""",
    ),
    "when the answer is closed, or fails": (
        17,
        """\
            return await call_next(request, context)
        finally:
            self.in_flight -= 1""",
        """\
            response = await call_next(request, context)
        except Exception:
            self.in_flight -= 1
            raise
        response.on_close(lambda: setattr(self, "in_flight", self.in_flight - 1))
        return response""",
    ),
    "shields for those who wait": (18, "return await flight", "return await asyncio.shield(flight)"),
    "the entry goes whatever happens": (
        18,
        """\
        result = await fetch()
        flight.set_result(result)
        del self._flights[key]
        return result""",
        """\
        try:
            result = await fetch()
            flight.set_result(result)
            return result
        finally:
            del self._flights[key]""",
    ),
    "the error passes": (
        19,
        'logging.getLogger("metering").info("the body broke off: %s", error)',
        "raise error",
    ),
    "the surplus is thrown away": (20, "self._received = rest[length:]", 'self._received = b""'),
    "a surplus that is there ends it": (
        20,
        "self._received = rest[length:]",
        "self._received = rest[length:]\n        self.usable = not self._received",
    ),
}

ALTERNATIVES: dict[str, tuple[int, str, str]] = {
    "counted and expired in one go, unless it expires already": (
        10,
        '[count] = await self._store.execute(("INCR", key))\n        if count == 1:\n            await self._store'
        '.execute(("EXPIRE", key, self._period))',
        '[count, _] = await self._store.execute(("INCR", key), ("EXPIRE", key, self._period, "NX"))',
    ),
    "expiry mended by whoever comes next": (
        10,
        "if count == 1:",
        'if (await self._store.execute(("TTL", key))) == [-1]:',
    ),
    "only plain names": (
        7,
        "if not file.exists()",
        """\
plain = kid.isascii() and kid.replace("-", "x").replace(".", "x").isalnum()
        if not plain or len(kid) > 99 or not file.exists()""",
    ),
}


def changed(number: int, old: str, new: str, folder: Path) -> Path:
    text = EXERCISES[number].shipped.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"exercise {number} does not hold {old!r}"
    file = folder / "broken.py"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", SYMPTOMS)
def test_mending_the_symptom_is_not_enough(name: str, tmp_path: Path) -> None:
    number, old, new = SYMPTOMS[name]
    verdicts = try_out(EXERCISES[number], changed(number, old, new, tmp_path))
    messages = [verdict for verdict in verdicts if not verdict.passed]
    assert messages
    # It is the test that says so, and not a slip in the patch.
    assert all(isinstance(verdict.error, AssertionError) for verdict in messages), messages


@pytest.mark.parametrize("limiter", ["FixedWindow", "SlidingWindowCounter", "TokenBucket", "GCRA", "LeakyBucket"])
def test_the_packages_other_limiters_do_not_keep_the_promise_of_exercise_8(limiter: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(PACKAGE_LIMITER.format(limiter), encoding="utf-8")
    verdicts = {verdict.test: verdict.passed for verdict in try_out(EXERCISES[8], file)}
    assert not verdicts["no pattern of arrivals gets more through"]
    assert verdicts["who was quiet may use all at once"]


def test_the_packages_log_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(PACKAGE_LIMITER.format("SlidingWindowLog"), encoding="utf-8")
    assert [verdict for verdict in try_out(EXERCISES[8], file) if not verdict.passed] == []


OF_THE_PACKAGE: dict[str, tuple[int, str]] = {
    "the retry with its budget": (
        12,
        """\
from random import Random
from api_gateway.middleware.retry import RetryMiddleware as OfThePackage
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.simulation import VirtualClock

def RetryMiddleware(attempts=4):
    backoff = Backoff(25_000_000, 250_000_000, Random(1))
    return OfThePackage(attempts, backoff, RetryBudget(0.2), clock=VirtualClock())
""",
    ),
    "smooth weighted round robin": (
        15,
        """\
from api_gateway.backend.weighted_round_robin_load_balancer import WeightedRoundRobinLoadBalancer

WeightedTurns = WeightedRoundRobinLoadBalancer
""",
    ),
    "peak EWMA with its penalty": (
        16,
        """\
from random import Random
from api_gateway.backend.peak_ewma_load_balancer import PeakEwmaLoadBalancer

def LeastBusy(clock):
    return PeakEwmaLoadBalancer(clock, Random(1))
""",
    ),
    "the bulkhead": (17, "from api_gateway.middleware.bulkhead import BulkheadMiddleware as Slots"),
    "the single flight": (
        18,
        """\
from api_gateway.auth.single_flight import SingleFlight as OfThePackage

class SingleFlight(OfThePackage):
    __class_getitem__ = classmethod(lambda cls, item: cls)

    async def do(self, key, fetch):
        return await self.run(key, fetch)
""",
    ),
}


@pytest.mark.parametrize("name", OF_THE_PACKAGE)
def test_the_packages_own_passes(name: str, tmp_path: Path) -> None:
    number, text = OF_THE_PACKAGE[name]
    file = tmp_path / "broken.py"
    file.write_text(text, encoding="utf-8")
    assert [verdict.message for verdict in try_out(EXERCISES[number], file) if not verdict.passed] == []


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_another_right_way_passes(name: str, tmp_path: Path) -> None:
    number, old, new = ALTERNATIVES[name]
    verdicts = try_out(EXERCISES[number], changed(number, old, new, tmp_path))
    assert [verdict.message for verdict in verdicts if not verdict.passed] == []
