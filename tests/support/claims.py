"""What the documents say in figures, and what holds each: the tables that `tests/test_numbers.py` goes through.

In `{}` stands a figure, of which only the words around it are fixed: when a benchmark is run again, the documents
may have to change, and these tables not. See `tests/support/numbers.py` for what a figure may look like.
"""

from __future__ import annotations

import inspect
import re
import tomllib

import yaml

from api_gateway.auth import api_key
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.middleware.access_log_format import json_line
from api_gateway.server.demo.services import demo_services
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.transport.http1.response_body import HIGH_WATER
from benchmarks import sustained, wrk
from exercises.catalogue import catalogue
from tests.server.test_proxy_memory import GROWTH, MIB, SIZES
from tests.support.documents import INTERVIEW, WHITEBOARD, blocks, text
from tests.support.numbers import Claim, Quotation, known, measured, printed, record, set_in, worked_out

KIB, GIB = 1024, 1024 * MIB
EDGE = EdgeLimits()
LAYERS, OVER = "cpu_microseconds", "microseconds_over_empty_layer"
BENCHMARK_PYTHON = ".".join(str(record()["sustained"]["machine"]["python"]).split(".")[:2])
OLDEST_PYTHON = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"].removeprefix(">=")
DEADLINE = float(yaml.safe_load(blocks("DESIGN.md", "yaml")[0])["middleware"][2]["deadline"].rstrip("s"))
MINUTES = int(re.findall(r"^\| \d+\u2013(\d+) \|", text(INTERVIEW), re.MULTILINE)[-1])
SECONDS = int(re.findall(r"^## (\d+) seconds$", text(WHITEBOARD), re.MULTILINE)[0])
LOG_FIELDS = len(re.findall(r'^ +"\w+": ', inspect.getsource(json_line), re.MULTILINE))
DEMO_SERVICES = len(re.findall(r'^ +"\w+": \w', inspect.getsource(demo_services), re.MULTILINE))
STEPS = [
    int(number)
    for number in re.findall(
        r"^(\d+)\. \*\*`(?:middleware/metrics|backend/backend_service)", text("DESIGN.md"), re.MULTILINE
    )
]
LIGHT = "light in a fibre, 200 km in 1 ms, to a place 5,000 to 15,000 km away and back"

CLAIMS: tuple[Claim, ...] = (
    # What the source says.
    set_in("pyproject.toml", "({} or newer)", OLDEST_PYTHON),
    set_in("server/demo/services.py", "{} services, the gateway before them", DEMO_SERVICES),
    set_in("exercises/", "{} small broken parts", len(catalogue())),
    set_in("exercises/", "{} bugs of a kind that real gateways had", len(catalogue())),
    set_in("build_load_balancers.py", "{} policies before the same servers", len(BALANCERS)),
    set_in("build_load_balancers.py", "this package has {} policies of one", len(BALANCERS)),
    set_in("the heading of WHITEBOARD_30SEC.md", "| {} seconds |", SECONDS),
    set_in("the heading of WHITEBOARD_30SEC.md", "where the {} seconds end", SECONDS),
    set_in("the table of minutes", "you have {} minutes", MINUTES),
    set_in("the table of minutes", "the {} minutes, the arithmetic", MINUTES),
    set_in("the deadline of DESIGN.md's configuration", "the instant {} s after the start", DEADLINE),
    set_in("the list of steps", "Steps {}, with the state that made each decision", STEPS),
    set_in("transport/http1/response_body.py", "reading from the service when {} KiB wait", HIGH_WATER / KIB),
    set_in("auth/api_key.py", "{} random bits", api_key._SECRET_BYTES * 8),
    set_in("server/edge_limits.py", "processes of {} (the default here)", EDGE.max_connections),
    set_in("server/edge_limits.py", "{} bytes a second after {} s", EDGE.min_body_rate, EDGE.body_grace),
    set_in("middleware/access_log_format.py", "{} fields, some", LOG_FIELDS),
    set_in(
        "tests/server/test_proxy_memory.py",
        "{} GiB passed in each direction, and the gateway's memory grew by {} MiB",
        *(SIZES["uvloop"] / GIB, GROWTH / MIB),
    ),
    set_in(
        "tests/server/test_proxy_memory.py",
        "Measured: {} GiB passed with {} MiB of growth",
        *(SIZES["uvloop"] / GIB, GROWTH / MIB),
    ),
    # What is known from elsewhere.
    known("PyPI: httpx 0.28.1, of 2024-12-06", "last release is of {}-{}", 2024, 12),
    known("RFC 9110, 15: 100 to 599, of which 1xx is no end", "A status outside {} is a", (200, 599)),
    known(LIGHT, "Between regions a round trip costs {} ms", (2 * 5_000 / 200, 2 * 15_000 / 200)),
    known(LIGHT, "is about a millisecond, between regions {}", (2 * 5_000 / 200, 2 * 15_000 / 200)),
    # What follows from what is assumed.
    worked_out("guess {} us: {} a second fill a core", "1e6 / a_core", "a_core"),
    worked_out("and the peak is {}", "peak"),
    worked_out("**{} requests/s, {} in flight, {} Gbit/s out", "peak", "peak * 0.080", "out_bits / 1e9"),
    worked_out("{} machines of {} cores in {} zones", "machines", "4", "3"),
    worked_out(
        "{} % busy, {} % with a zone gone",
        "100 * peak / (machines * 4 * a_core)",
        "100 * peak / (machines * 4 * a_core * 2 / 3)",
    ),
    worked_out("first one's answer: {} s", "2 * 0.2"),
    worked_out("At {} % it costs {} minutes a year", "99.99", "(1 - 0.9999) * 365.25 * 24 * 60"),
    worked_out("it stops at {} %, however many", "100 - (100 - 99) * 0.1"),
    worked_out("{} % with one failure in ten", "100 - (100 - 99) * 0.1"),
    worked_out("{} cores for {}/s, {} with a zone to spare", "cores", "peak", "per_zone * 3"),
    worked_out(
        "{} % errors from {} % takes {} p({} - p) / d² = {} requests in each arm, with p = {} % and d = {} %",
        *("2", "1", "16", "1", "needed", "100 * p", "100 * difference"),
    ),
    worked_out("A hundredth of {}/s has them in {} s", "peak", "needed / (peak / 100)"),
    worked_out("{}/s on one key with leases of {} are {} questions a second", "peak", "50", "peak / 50"),
    worked_out("{} pairs, so one bad", "8 * 7 // 2"),
    worked_out("both workers of one other in {}", "8 * 7 // 2"),
    worked_out("{} tries of {} s are {} s for a client who left after {}", "3", "3", "3 * 3", "3"),
    worked_out(
        "for {} h at {} orders a second are {} million; at {} bytes, {} GB",
        *("24", "100", "24 * 3_600 * 100 / 1e6", "200", "24 * 3_600 * 100 * 200 / 1e9"),
    ),
    worked_out("needed parts of {} % are {} % together", "99.9", "100 * 0.999**7"),
    worked_out(
        "{} uploads of {} MB, collected, are {} GB; streamed with {} KiB each, {} MB",
        *("1_000", "100", "1_000 * 100 / 1_000", "64", "1_000 * 64 * 1_024 / 1e6"),
    ),
    worked_out("{} bytes: {} MB/s at the peak", "500", "peak * 500 / 1e6"),
    worked_out("{} $ a month, at {} million requests a day", "7_000", "7_000 / 1.00 / 30"),
    worked_out("{} $ for a million requests, {} $ for a core and hour, {} $ for a GB out", "1", "0.04", "0.05"),
    worked_out(
        "{} $ a month managed, {} $ of cores, {} $ of bytes",
        *("requests_a_month / 1e6", "machines * 4 * 0.04 * 730", "requests_a_month * 8_000 / 1e9 * 0.05"),
    ),
    worked_out("counted with {} us, and half of each core kept free: {} requests", "1e6 / a_core", "planned"),
    worked_out("| {} | {} | one machine would do", "10_000", "10_000 / planned"),
    worked_out("| {} | {}, and a zone to spare: {} | shared", "100_000", "100_000 / planned", "150_000 / planned"),
    worked_out("| {} | {}, and a zone to spare: {} | where", "1_000_000", "1_000_000 / planned", "1_500_000 / planned"),
    worked_out("{} requests a second at the peak, {} milliseconds each, is {} in flight", "peak", "80", "peak * 0.080"),
    worked_out("At {} a core, half of what it can do, that is {} cores", "planned", "cores"),
    worked_out("with one zone of {} to spare, {}.", "3", "per_zone * 3"),
    # What the benchmarks measured.
    measured("{} us of CPU a request are measured", "sustained", lambda f: [1e6 * f["full_speed"]["cpu_per_request"]]),
    measured("Measured: {} us a request for", "sustained", lambda f: [1e6 * f["full_speed"]["cpu_per_request"]]),
    measured("has done this for {} notes", "sustained", lambda f: [1 / f["full_speed"]["cpu_per_request"]]),
    measured(
        "with {} connections gets {}/s at a p99 of {} ms",
        "sustained",
        lambda f: [wrk.CONNECTIONS, f["full_speed"]["rate"], 1e3 * f["full_speed"]["p99"]],
    ),
    measured(
        "at {}/s on the same core was answered at {}/s, with a p99 of {} s",
        "sustained",
        lambda f: [sustained.RATE, f["constant_rate"]["rate"], f["constant_rate"]["p99"]],
    ),
    measured("own bar, {}/s held in an open loop", "sustained", lambda _: [sustained.RATE]),
    measured("{} s each; no TLS", "sustained", lambda f: [f["seconds"]]),
    measured("CPython {}, uvloop", "sustained", lambda _: [BENCHMARK_PYTHON]),
    measured(
        "a median of {} ms at full speed with {} connections",
        "sustained",
        lambda f: [1e3 * f["full_speed"]["p50"], wrk.CONNECTIONS],
    ),
    measured("on the same core, does {} times as much", "proxy", lambda f: [1 / f["gateway_as_multiple_of"]["nginx"]]),
    measured("A proxy in C or C++ is {} times as fast", "proxy", lambda f: [1 / f["gateway_as_multiple_of"]["nginx"]]),
    measured("a limit adds {} us", "pipeline", lambda f: [f[LAYERS]["+ rate limit"] - f[LAYERS]["+ metrics"]]),
    measured("to verify, a limit {} us", "pipeline", lambda f: [f[LAYERS]["+ rate limit"] - f[LAYERS]["+ metrics"]]),
    measured("forwarding, id and metrics: {} us", "pipeline", lambda f: [f[LAYERS]["+ metrics"]]),
    measured("a known JWT {} us", "security", lambda f: [f[OVER]["jwt, known"]]),
    measured("A fresh ES256 token costs {} us", "security", lambda f: [f[OVER]["jwt, fresh ES256"]]),
    measured(
        "Known JWT {} us, fresh ES256 {} us, API key {} us, cached introspection {} us",
        "security",
        lambda f: [f[OVER][kind] for kind in ("jwt, known", "jwt, fresh ES256", "api_key", "introspection, known")],
    ),
    measured(
        "cost {} times what ten do",
        "router",
        lambda f: [f["same_ten_microseconds"]["10000"] / f["same_ten_microseconds"]["10"]],
    ),
    measured(
        "A trie: {} us a match among ten routes or {}",
        "router",
        lambda f: [(f["same_ten_microseconds"]["10"], f["same_ten_microseconds"]["10000"]), 10_000],
    ),
    measured("Measured: {} bytes of state a key", "limiters", lambda f: [f["bytes_per_key"]["gcra"]]),
    measured(
        "GCRA: {} us a decision and {} bytes a key, log at {} hits {} bytes",
        "limiters",
        lambda f: [
            f["one_key_microseconds"]["gcra"],
            f["bytes_per_key"]["gcra"],
            100,
            f["bytes_per_key_at_100_hits"]["sliding_window_log"],
        ],
    ),
    measured("Measured: {} GCRA decisions a second", "redis-limiters", lambda f: [f["ceiling_per_second"]["gcra"]]),
    measured("one Redis decides {} times a second", "redis-limiters", lambda f: [f["ceiling_per_second"]["gcra"]]),
    measured("one server decides {} times a second", "redis-limiters", lambda f: [f["ceiling_per_second"]["gcra"]]),
)

QUOTATIONS: tuple[Quotation, ...] = (
    printed(
        "seven services of 200 ms takes 1.4 s if the client asks in turn, and 0.2 s",
        *("06_latency", "Seven calls of 200 ms: 1.4 s in turn, 0.2 s at once"),
    ),
    printed(
        "One worker that is 80 % busy takes five service times, at 90 % ten",
        *("06_latency", "one worker, 80 % and 90 % busy 5 and 10 service times"),
    ),
    printed(
        "a 200 after 72 ms",
        "00_tour",
        "<Picture: Least connections picks the copy that fails fast; a retry makes it a 200 after 72 ms>",
    ),
    printed("p99.9 from 887 to 30 ms for 5 % more", "06_latency", "p99.9, hedged 887 ms -> 30 ms for 5% more calls"),
    printed("348 ms and not 195", "06_latency", "averaged and true 195 ms, 348 ms"),
    printed("10 ms where an open loop sees 1.7 s", "06_latency", "closed and open loop 10 ms, 1.7 s"),
    printed("of seven, 2.6 times the average", "06_latency", "the slowest of seven, beside the average 2.6 times"),
    printed("in 39 % without guards, in 100 % with", "04_failure_scenarios", "nothing 39%", "all three 100%"),
    printed(
        "0 % of its capacity was of use with an endless queue, 98 % when",
        *("04_failure_scenarios", "expected wait resilience/expected_wait.py 0% 98%"),
    ),
    printed("541 a second, of 556", "04_failure_scenarios", "5,000 0 541 556"),
    printed(
        "770 failed requests without anything, 54 with checks, 0 with outlier detection and a retry",
        *("04_failure_scenarios", "nothing 770", "health check 54", "outlier detection, retry 0"),
    ),
    printed(
        "0 % if asked each time, 13 % while fresh, 100 % with cached identities for reads; writes 12 %; strangers 0 %",
        *("04_failure_scenarios", "ask each time 0% 0% 0% fail closed 13% 12% 0% reads only 100% 12% 0%"),
    ),
    printed("1,211 requests at once and by 75", "04_failure_scenarios", "config/validate.py 1211 75"),
    printed(
        "62 % of requests failed within a minute of the date, 0 % where renewal was watched",
        *("04_failure_scenarios", "server/tls/expiry.py 62% 0%"),
    ),
    printed(
        "Two of 99 % give 99.99 % if failure is noticed at once; 99.98 % with 10 s to notice",
        *(
            "04_failure_scenarios",
            "99 % 99.98 % answered; 99.99 % if noticed at once",
            "10 s until the balancer notices",
        ),
    ),
    printed(
        "99.98 % with 10 s to notice",
        *("04_failure_scenarios", "99 % 99.98 % answered", "10 s until the balancer notices"),
    ),
    printed("Two at 99 % are 99.99 %", "04_failure_scenarios", "Two of 99 % make 99.99 %"),
    printed(
        "checked every 2 s: a third of the requests fail, for 2 to 4 s",
        *("04_failure_scenarios", "behind a balancer that checks each 2 s", "2 < lasted < 4"),
    ),
    printed("at 90 % load: 2.6 service times against 5.2", "03_load_balancing", "90% 10.0 5.2 2.6"),
    printed(
        "p95 of 20.6 s with round robin, 0.4 s",
        *("03_load_balancing", "round_robin a turn 2.6 12 20.6 s", "power_of_two_choices two counts 1.8 7 0.4 s"),
    ),
    printed(
        'For "10 a second", the most that an adversary got within one second: fixed window 20, log 10, sliding counter'
        " 19, GCRA 19",
        *("01_rate_limiters", "10 a second worst instant worst second", "fixed_window 20 20"),
        *("sliding_window_log 10 10", "sliding_window_counter 10 19", "gcra 10 19"),
    ),
    printed("over a whole period no: 19 of 10", "01_rate_limiters", "sliding_window_counter 10 19"),
    printed("whole limit each, 65 % too many", "02_distributed_rate_limiting", "whole limit each 65% 0% 0%"),
    printed("a share each, 41 % wrongly refused", "02_distributed_rate_limiting", "a share each 0% 41% 0%"),
    printed(
        "Leases leave a quarter of the round trips (notebooks/02_distributed_rate_limiting.ipynb)",
        *("02_distributed_rate_limiting", "leases of 5 0% 0% 25%"),
    ),
    printed("leases of 5, a quarter wait", "02_distributed_rate_limiting", "leases of 5 0% 0% 25%"),
    printed(
        "Ten slow seconds at 70 % load with three retries: never well again",
        *("05_retry_storms", "70 requests a second, 70 % load", "retries alone never 4,819"),
    ),
    printed(
        "With a budget of 10 %, after 26 s; with a breaker, 2 s; with a bounded queue, 0 s",
        *("05_retry_storms", "retry budget, 10 % 26 s", "circuit breaker 2 s 822", "bounded queue, 50 0 s"),
    ),
    printed(
        "4,819 failed requests without, 822 with it",
        *("05_retry_storms", "retries alone never 4,819", "circuit breaker 2 s 822"),
    ),
    printed("256 calls", "05_retry_storms", "make 256 calls of one request"),
    printed(
        "in 21 of 24 requests; with a complete key, 0",
        *("07_caching", "accounts shown to others, of 24 21 0"),
    ),
    printed(
        "Room for 5 % of the pages: 46 % hits with LRU, 55 % with S3-FIFO",
        *("07_caching", "hits with room for 5 % 46% 55%"),
    ),
    printed("1,000 requests become 1", "07_caching", "1,000 at the instant of expiry 1,000 requests 1"),
    printed("201 become 2.7", "07_caching", "refreshes by gateways that share a store 201 2.7"),
    printed("400 errors in an outage become 0", "07_caching", "errors in 20 s of outage 400 0"),
    printed(
        "One of three instances dead for 30 s, on defaults or presets: 511 failed requests with Envoy as it comes, 0"
        " with its retries and outlier detection asked for, 3 calls to the dead one with nginx",
        *("08_defaults_museum", "one of three is dead for 30 s", "Envoy, as it comes - 511 0 511"),
        *("Envoy, asked for all 1 s 0 0 5", "NGINX 0 s 0 0 3"),
    ),
)
