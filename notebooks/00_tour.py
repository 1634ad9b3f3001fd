# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A gateway from nothing, and an X-ray of one request
#
# Welcome. An **API gateway** is one door in front of many services. Clients know the door; what is behind it may move,
# multiply and fail. Half an hour from here you will have built one, one idea a cell, and seen through a request that
# passes it.
#
# Nothing is simplified: these are the classes that serve real traffic. Only the services behind them are simulated, and
# time. In **virtual time** the
# event loop never waits, so a second of waiting takes none of yours, and each run is the same. `run` starts it.

# %%
from api_gateway import Request, RequestContext, Response
from api_gateway.simulation import run

# %% [markdown]
# ## The words
#
# A **service** answers questions of one kind, such as orders. It runs in several copies, its **endpoints**. A
# **handler** is anything that answers a request. A **layer** (or *middleware*) stands before a handler and decides
# something. A **route** says which requests go to which service. A **load balancer** picks one of the endpoints. The
# **context** is what the gateway knows about a request, and the request does not say.

# %% [markdown]
# ## 1. A handler
#
# It takes a request, and gives a response. That is all there is to know of it: a service is a handler, and so is the
# whole gateway.


# %%
async def hello(request: Request, context: RequestContext) -> Response:
    return Response.text(f"hello from {request.path}")


response = run(hello, Request("GET", "/greeting"), RequestContext())
print(response.status, response.body.decode())

# %%
assert (response.status, response.body) == (200, b"hello from /greeting")

# %% [markdown]
# ## 2. A route
#
# A request names a path, a service has a name. The **router** brings them together. Two routes fit `/orders/new`: which
# one wins?

# %%
from api_gateway import ApiGateway, Route, Router

router = Router([Route("/orders/{id}", "orders"), Route("/orders/new", "drafts", methods=["GET"]),
                 Route("/hello/*", "hello", methods=["GET"])])  # fmt: skip
for path in ("/orders/7", "/orders/new", "/hello/you/there"):
    match = router.match(Request("GET", path))
    print(f"{path:18}{match.route.service:8}{match.parameters}")

# %%
assert router.match(Request("GET", "/orders/new")).route.service == "drafts"
assert router.match(Request("GET", "/orders/7")).parameters == {"id": "7"}

# %% [markdown]
# The most specific one, wherever it stands in the list. So nobody breaks a route by moving a line.
#
# A router with services behind it is a gateway already. It has to say two kinds of no:

# %%
tiny = ApiGateway(router, {"orders": hello, "drafts": hello, "hello": hello})
asked = [("GET", "/orders/7"), ("GET", "/nowhere"), ("POST", "/hello/you")]
answers = [run(tiny.handle, Request(*one)) for one in asked]
for (method, path), answer in zip(asked, answers, strict=True):
    print(f"{method:5}{path:12}{answer.status}  {answer.headers.get('allow') or ''}")

# %%
assert [answer.status for answer in answers] == [200, 404, 405]
assert "GET" in answers[2].headers.get("allow")

# %% [markdown]
# *404*: no route has this path. *405*: one has, but not for this method, and `Allow` says for which. (`HEAD` comes with
# `GET`.)
#
# ## 3. A layer
#
# A layer is given the request and the next handler. What it does before that call happens on the way in, what it does
# after it on the way out.
#
# Before you look: two layers, `outer` and `inner`. In which order do their four lines come?


# %%
def told_by(name: str, said: list[str]):
    async def layer(request, context, call_next):
        said.append(f"{name} in")
        response = await call_next(request, context)
        said.append(f"{name} out")
        return response

    return layer


# %%
from api_gateway import chain

said = []
onion = chain([told_by("outer", said), told_by("inner", said)], hello)
run(onion, Request("GET", "/"), RequestContext())
print(" -> ".join(said))

# %%
assert said == ["outer in", "inner in", "inner out", "outer out"]

# %% [markdown]
# An **onion**. `chain` is four lines of code (`core/middleware.py`), and the order of layers is most of a gateway's
# design: who comes first sees what all others did, and may spare them the work.
#
# > **In an interview:** "A gateway is a chain of layers around a router. Each may answer itself, change the request,
# > call on, and change the response. So I design the *order*: limits before authentication costs anything, the error
# > boundary outside of all that raises, observers outside of that."

# %% [markdown]
# ## 4. Two endpoints
#
# One copy of a service is too few: it is full, or down, or being updated. So a **backend service** has endpoints, and
# asks one of them. Who? Here nobody says, so they take turns: **round robin**.

# %%
from random import Random

from api_gateway import BackendService, Endpoint
from api_gateway.simulation import FakeService
from api_gateway.transport.in_process import InProcessTransport

a, b = (FakeService(0.02, random=Random(1), name=name) for name in "ab")  # each answer takes 20 ms
handlers = {"in-process://a": a, "in-process://b": b}
orders = BackendService("orders", [Endpoint(url) for url in handlers], InProcessTransport(handlers))


# %%
async def send(handler, times: int) -> list[tuple[int, str]]:
    contexts = [RequestContext() for _ in range(times)]
    statuses = [(await handler(Request("GET", "/"), context)).status for context in contexts]
    return [(status, context.endpoint) for status, context in zip(statuses, contexts, strict=True)]


print(*run(send, orders, 4), sep="\n")

# %%
assert (a.arrived, b.arrived) == (2, 2)

# %% [markdown]
# `InProcessTransport` calls a function; `Http1Transport` in its place would open a socket. Nothing else would change.
# Turns are fair, and fairness is not always what one wants: `03_load_balancing`.
#
# ## 5. A limit
#
# A **token bucket** holds three tokens and gets one a second. Each request takes one. Time is an argument, so we may
# ask about any moment:

# %%
from api_gateway.rate_limiting.token_bucket import TokenBucket

bucket, second = TokenBucket(limit=1, period=1.0, burst=3), 1_000_000_000  # nanoseconds
decisions = [bucket.acquire("you", now) for now in (0, 0, 0, 0, 2 * second)]
for one in decisions:
    print(f"{'yes' if one.allowed else 'no':4}left {one.remaining}  come back in {(one.retry_after or 0) / second:g} s")

# %%
assert [one.allowed for one in decisions] == [True, True, True, False, True]
assert decisions[3].retry_after == second and decisions[4].remaining == 1

# %% [markdown]
# The bucket is pure: no clock, no lock, no network. A layer of six lines makes a policy of it. It *raises*, and
# somebody further out, the **error boundary**, makes an answer of that.

# %%
from api_gateway import Headers
from api_gateway.core.errors import RateLimited


async def limited(request, context, call_next):
    decision = bucket.acquire("me", context.started)
    if not decision.allowed:
        wait = str(decision.retry_after // second)
        raise RateLimited("Three at once, then one a second.", headers=Headers([("retry-after", wait)]))
    return await call_next(request, context)


# %%
guarded = ApiGateway(router, {"orders": hello, "drafts": hello, "hello": hello}, [limited])
answers = [run(guarded.handle, Request("GET", "/hello"), RequestContext(0)) for _ in range(4)]
print([answer.status for answer in answers], "Retry-After:", answers[3].headers.get("retry-after"))
print(answers[3].body.decode())

# %%
assert [answer.status for answer in answers] == [200, 200, 200, 429]
assert answers[3].headers.get("retry-after") == "1"

# %% [markdown]
# > **In an interview:** "A refusal is an answer, too: 429, when to come back, and a body that a program can read. A
# > client that is told nothing comes back at once."

# %% [markdown]
# ## 6. A service that fails
#
# Now `a` is broken: it works 20 ms, and answers 500. `b` is fine. Half of all requests would fail. A **retry** is a
# layer around the service, which asks again.
#
# Before you look: does the second try go to `a` or to `b`?

# %%
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff

broken = FakeService(0.02, error_rate=1, random=Random(1), name="a")
mixed = {"in-process://a": broken, "in-process://b": b}
endpoints, transport = [Endpoint(url) for url in mixed], InProcessTransport(mixed)
milliseconds = 1_000_000
retry = RetryMiddleware(3, Backoff(10 * milliseconds, 100 * milliseconds, Random(1)), budget=None, on=[500])

# %%
before = run(send, BackendService("orders", endpoints, transport), 4)
after = run(send, BackendService("orders", endpoints, transport, middleware=[retry]), 4)
print("without", [status for status, _ in before])
print("with   ", after)

# %%
assert sorted(status for status, _ in before) == [200, 200, 500, 500]
assert set(after) == {(200, "in-process://b")} and retry.retries == 4

# %% [markdown]
# To `b`: the context remembers who was tried, and the next try avoids them. It waits a little first (the *backoff*), by
# chance, so that a thousand clients do not come back together.
#
# But if everything is broken, retries are more load on a service that is ill (`05_retry_storms`). So there is a layer
# that stops asking, the **circuit breaker**. It is *closed* while all is well, *open* when half of the last four calls
# failed, and after 5 s *half open*: one call may try.

# %%
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow

dead = FakeService(0.02, error_rate=1, random=Random(1), name="dead")
breaker = CircuitBreaker(CountWindow(4), min_calls=4, failure_rate=0.5, open_for=5 * second, half_open_calls=1)


# %%
import asyncio
import logging
import sys

from api_gateway.simulation import VirtualClock

logging.basicConfig(stream=sys.stdout, format="log: %(message)s")  # the gateway says what it does; we want to read it


# %%
async def one_each_second(seconds: int) -> list[int]:
    layer = CircuitBreakingMiddleware("orders", breaker, clock=VirtualClock())
    transport = InProcessTransport({"in-process://dead": dead})
    service = BackendService("orders", [Endpoint("in-process://dead")], transport, middleware=[layer])
    gateway, statuses = ApiGateway(Router([Route("/*", "orders")]), {"orders": service}), []
    for _ in range(seconds):
        statuses.append((await gateway.handle(Request("GET", "/"))).status)
        await asyncio.sleep(1)
    return statuses


# %%
statuses = run(one_each_second, 12)
print(statuses, "asked the service", dead.arrived, "times")

# %%
assert statuses == [500] * 4 + [503] * 4 + [500] + [503] * 3 and dead.arrived == 5

# %% [markdown]
# Four failures, then 503 at once, without a call. At 8 s the circuit is half open, one call tries, fails, and it is
# open again. The service has its peace, and clients have a quick answer instead of a slow one.
#
# > **In an interview:** "A retry is for one bad call, a breaker for a bad service. The retry stands outside of the
# > breaker, so the breaker counts each try, and an open circuit ends the trying."

# %% [markdown]
# ## 7. The same, written down
#
# Nobody builds a gateway by hand. All of the above, and what else belongs there, is twenty lines of configuration
# (YAML, when it is a file: `examples/gateway.yaml`). `build.py` makes the objects, and THE order is stated there.

# %%
ORDERS = {
    "load_balancer": "least_connections",
    "retry": {"attempts": 3, "on": [500], "backoff": "20ms"},
    "circuit_breaker": {"window": 20, "min_calls": 10, "failure_rate": 0.5, "open_for": "5s"},
    "concurrency": {"limit": 10},
}
ROUTES = [{"path": "/api/orders/{id}", "service": "orders", "methods": ["GET"]},
          {"path": "/api/orders", "service": "orders", "methods": ["POST"]},
          {"path": "/api/users/*", "service": "users"}]  # fmt: skip

# %%
from api_gateway import build_gateway

CONFIGURATION = {
    "middleware": ["request_id", {"rate_limit": {"rate": "1/s", "burst": 10, "key": "client_ip"}}, {"deadline": "1s"}],
    "services": {"orders": ORDERS},
    "routes": ROUTES,
}


# %%
def built(broken: str) -> ApiGateway:
    """Three copies of `orders`; a broken one fails after 10 ms, a good one answers after 45."""
    copies = [FakeService(0.01, error_rate=1, random=Random(1), workers=9) if name in broken
              else FakeService(0.045, random=Random(1), workers=9) for name in "abc"]  # fmt: skip
    return build_gateway(CONFIGURATION, {"orders": copies, "users": hello}, clock=VirtualClock(), random=Random(1))


# %%
async def status(broken: str) -> int:
    async with built(broken) as gateway:
        return (await gateway.handle(Request("GET", "/api/orders/7"))).status


print({broken: run(status, broken) for broken in ("", "a", "ab", "abc")})

# %%
assert [run(status, broken) for broken in ("", "a", "ab", "abc")] == [200, 200, 200, 500]

# %% [markdown]
# ## 8. The X-ray
#
# A request passes more than a dozen decisions, and its answer tells of none. `gateway.explain` handles a request as
# `handle` does, and writes each of them down, with the **state** by which it was made.
#
# Copy 0 is broken, and fails fast: after 10 ms, where the others answer after 45. Other clients are there, one more
# every 20 ms. Then comes our request.
#
# Before you look: the balancer picks the copy with the *fewest requests in flight*. Which of the three is that?


# %%
async def explained(broken: str, others: int, every: float = 0.02):
    async with built(broken) as gateway:
        tasks = []
        for number in range(others):
            tasks.append(asyncio.create_task(gateway.handle(Request("GET", f"/api/orders/{number}"))))
            await asyncio.sleep(every)
        return await gateway.explain(Request("GET", "/api/orders/7"))


# %%
xray = run(explained, "a", others=4)
print(xray)

# %% [markdown]
# **How to read it.** A line is a step: when it began, how long it took *itself*, what it did. Under it is what it went
# by (`->` where that changed while the request was further in), what it found out, and what it changed. Further to the
# right is further in.
#
# The same as data, for a program, or for an assert:

# %%
first, second_try = [step for step in xray.steps if step.name == "backend service orders"]
bucket, circuit, routing = (xray.step(name) for name in ("rate limit", "circuit breaking", "router"))
print("tokens      ", bucket.before["client_ip:1/s"]["remaining"], "->", bucket.after["client_ip:1/s"]["remaining"])
print("rejected    ", *routing.before["rejected"].items(), sep="\n    ")
print("in flight   ", {url: told["in flight"] for url, told in first.before["endpoints"].items()})
print("circuit     ", circuit.before["state"], circuit.before["calls"], "calls,", circuit.before["failed"], "failed")
print("tries       ", first.found["endpoint"], first.outcome, "and", second_try.found["endpoint"], second_try.outcome)

# %%
assert (bucket.before["client_ip:1/s"]["remaining"], bucket.after["client_ip:1/s"]["remaining"]) == (6, 5)
assert routing.before["winner"] == "/api/orders/{id}" and len(routing.before["rejected"]) == 2
assert [told["in flight"] for told in first.before["endpoints"].values()] == [0, 1, 1]
assert (circuit.before["state"], circuit.before["calls"], circuit.before["failed"]) == ("closed", 5, 3)
assert [step.status for step in (first, second_try)] == [500, 200] and xray.response.status == 200

# %% [markdown]
# Copy 0: whoever fails fast has nothing in flight. A balancer that looks at load alone sends most requests to the one
# that cannot answer them. The circuit has seen it (3 of 5 failed), but needs ten calls before it judges.
#
# And as a picture:

# %% tags=["picture:xray"]
from api_gateway.plotting.xray import picture

figure, own = picture(xray, "Least connections picks the copy that fails fast; a retry makes it a 200 after 72 ms")
figure

# %%
assert round(own["backend service orders"]) == 10 + 45 and round(own["retry"]) == 17
assert round(sum(own.values())) == 72 == round(xray.first.duration / milliseconds)
assert first.found["endpoint"] == "in-process://orders/0" and second_try.found["endpoint"] != first.found["endpoint"]

# %% [markdown]
# **How to read it.** A row is a step, further in is further down. The pale bar lasts as long as the step, the solid
# part is its own: 10 ms of work for a 500, 17 ms in which the retry waits, 45 ms of work for the answer. Orange with a
# cross is who failed; the numbers in circles are the tries. Grey layers only passed on. At the right stands what
# decided.
#
# > **In an interview:** "Least connections rewards failing fast: a broken copy is always the least busy. So I add
# > outlier detection, which ejects it by its errors, and do not leave that to the breaker, which guards the service as
# > a whole."

# %% [markdown]
# ## 9. Two that end badly
#
# The eleventh request of a client, when ten are allowed at once:

# %%
refused = run(explained, "a", others=10, every=0)
figure, _ = picture(refused, "The eleventh gets no further than the limit: no route, no service, no time")
figure

# %%
assert refused.response.status == 429 and refused.step("rate limit").before["client_ip:1/s"]["remaining"] == 0
assert refused.steps[-1].name == "rate limit" and refused.first.duration == 0
print(refused.step("error boundary").outcome)

# %% [markdown]
# It took no time, so this picture shows the order instead: the onion of section 3, and how far in the request came. The
# limit *raises*, the layers around it let that pass, and the error boundary makes a 429 of it. What stands further in
# was not asked, and cost nothing.
#
# Now all three copies are broken:

# %%
failed = run(explained, "abc", others=0)
figure, own = picture(failed, "Three tries, three copies, three failures: 30 ms of work, 54 ms of waiting, one 500")
figure

# %%
tries = [step for step in failed.steps if step.name == "backend service orders"]
assert [step.status for step in tries] == [500] * 3 and failed.response.status == 500
assert len({step.found["endpoint"] for step in tries}) == 3
assert round(own["backend service orders"]) == 30 and round(own["retry"]) == 54
assert failed.step("circuit breaking").after["failed"] == 1

# %% [markdown]
# A retry cannot help where everything is broken. It made three calls of one, and an answer eight times as late. But
# each try is a failure to the circuit, too. At ten calls it opens, and from then on clients have a 503 at once:


# %%
async def one_after_the_other(times: int) -> list[int]:
    async with built("abc") as gateway:
        return [(await gateway.handle(Request("GET", "/api/orders/7"))).status for _ in range(times)]


statuses = run(one_after_the_other, 6)
print(statuses)

# %%
assert statuses == [500, 500, 500, 503, 503, 503] and 8 < failed.first.duration / (10 * milliseconds) < 9

# %% [markdown]
# Outside of a notebook the same is a command. `--send` asks the services that the file names. Without it nothing is
# sent, and you hear which route would win and which limits the request would meet.
#
# ```
# api-gateway explain examples/gateway.yaml GET http://localhost/api/users/42 --send
# ```
#
# > **In an interview:** "When somebody asks *why did this request fail*, metrics cannot tell and logs tell a part. I
# > want every decision of one request with the state behind it: tokens left, the circuit's window, what the balancer
# > saw. It costs nothing as long as nobody looks, because it is a second composition of the same objects."

# %% [markdown]
# ## Where next
#
# | you wonder | look at |
# |---|---|
# | who gets in, and who is refused wrongly | `01_rate_limiters`, `02_distributed_rate_limiting` |
# | which copy should have it | `03_load_balancing` |
# | what happens when something breaks | `04_failure_scenarios`, `05_retry_storms`, `08_defaults_museum` |
# | what a request waits for | `06_latency` |
# | which requests need no service at all | `07_caching` |
# | how a file of configuration becomes all this | `src/api_gateway/build.py`, then `DESIGN.md` |
#
# The files behind this page, in order: `core/middleware.py`, `routing/router.py`, `backend/backend_service.py`,
# `rate_limiting/token_bucket.py`, `middleware/retry.py`, `resilience/circuit_breaker.py`, `core/xray/recorder.py`.
#
# ## Exercises
#
# 1. In section 8, let five others come before. Somebody opens the circuit during our second try. Who, and why is our
#    answer still a 200?
# 2. Make `power_of_two_choices` the balancer. Does the broken copy still get most requests? Add
#    `"outlier_detection": {"consecutive_errors": 3}` to `ORDERS`, and look again.
# 3. Write a layer that answers `GET /teapot` with 418, and put it into the `tiny` gateway. Outside or inside of the
#    router? What does each cost the others?
# 4. `python -m exercises` has twenty bugs to mend.
