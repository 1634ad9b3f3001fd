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
# Nothing is simplified: these are the classes that serve real traffic. Only time is not real. In **virtual time** the
# event loop never waits, so a second of waiting takes none of yours, and each run is the same. `run` starts it.

# %%
from random import Random

from api_gateway import ApiGateway, BackendService, Endpoint, Request, RequestContext, Response, Route, Router
from api_gateway import build_gateway, chain
from api_gateway.plotting.xray import picture
from api_gateway.simulation import FakeService, VirtualClock, run

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
def told_by(name: str):
    async def layer(request, context, call_next):
        said.append(f"{name} in")
        response = await call_next(request, context)
        said.append(f"{name} out")
        return response

    return layer


# %%
said = []
onion = chain([told_by("outer"), told_by("inner")], hello)
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
from api_gateway.transport.in_process import InProcessTransport


def copy(name: str):
    return FakeService(0.02, random=Random(1), name=name)  # each answer takes 20 ms, and says who gave it


two = {"in-process://a": copy("a"), "in-process://b": copy("b")}
orders = BackendService("orders", [Endpoint(url) for url in two], InProcessTransport(two))


# %%
async def ask(handler, times: int) -> list:
    return [await (await handler(Request("GET", "/"), RequestContext())).json() for _ in range(times)]


by = [answer["service"] for answer in run(ask, orders, 4)]
print(*by)

# %%
assert by == ["a", "b", "a", "b"]

# %% [markdown]
# `InProcessTransport` calls a function; `Http1Transport` in its place would open a socket. Nothing else would change.
# Turns are fair, and fairness is not always what one wants: `03_load_balancing`.
#
# ## 5. A limit
#
# A **token bucket** holds three tokens and gets one a second. Each request takes one. Time is an argument, so we may ask
# about any moment:

# %%
from api_gateway.core.errors import RateLimited
from api_gateway.rate_limiting.token_bucket import TokenBucket

bucket, second = TokenBucket(limit=1, period=1.0, burst=3), 1_000_000_000  # nanoseconds
decisions = [bucket.acquire("you", now) for now in (0, 0, 0, 0, 2 * second)]
for one in decisions:
    print(f"{'yes' if one.allowed else 'no':4}left {one.remaining}  come back in {(one.retry_after or 0) / second:g} s")

# %%
assert [one.allowed for one in decisions] == [True, True, True, False, True]
assert decisions[3].retry_after == second and decisions[4].remaining == 1

# %% [markdown]
# The bucket is pure: no clock, no lock, no network. A layer of six lines makes a policy of it. It *raises*, and somebody
# further out, the **error boundary**, makes an answer of that.


# %%
async def limited(request, context, call_next):
    decision = bucket.acquire("me", context.started)
    if not decision.allowed:
        wait = str(decision.retry_after // second)
        raise RateLimited("Three at once, then one a second.", headers=Headers([("retry-after", wait)]))
    return await call_next(request, context)


# %%
from api_gateway import Headers

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
# Now `a` is broken: it works 20 ms, and answers 500. `b` is fine. Half of all requests would fail. A **retry** is a layer
# around the service, which asks again.
#
# Before you look: does the second try go to `a` or to `b`?

# %%
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff

broken = FakeService(0.02, error_rate=1, random=Random(1), name="a")
mixed = {"in-process://a": broken, "in-process://b": two["in-process://b"]}


def retrying() -> RetryMiddleware:
    wait = Backoff(10_000_000, 100_000_000, Random(1))  # at most 10 ms, then at most twice as long, up to 100 ms
    return RetryMiddleware(2, wait, budget=None, on=[500], clock=VirtualClock())


# %%
async def retried(times: int) -> list[tuple[int, int, str]]:
    backend = BackendService("orders", [Endpoint(url) for url in mixed], InProcessTransport(mixed),
                             middleware=[retrying()], clock=VirtualClock())  # fmt: skip
    contexts = [RequestContext() for _ in range(times)]
    answers = [await backend(Request("GET", "/"), context) for context in contexts]
    return [(one.status, context.attempts, context.endpoint) for one, context in zip(answers, contexts, strict=True)]


outcomes = run(retried, 4)
print(*outcomes, sep="\n")

# %%
assert all(status == 200 and endpoint == "in-process://b" for status, _, endpoint in outcomes)
assert sorted(attempts for _, attempts, _ in outcomes)[-1] == 2

# %% [markdown]
# To `b`: the context remembers who was tried, and the next try avoids them. Four requests, four good answers, and the
# clients know nothing.
