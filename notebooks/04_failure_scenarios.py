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
# # What breaks, who feels it, and what helps?
#
# Every interview about gateways ends with a list of disasters: a service is slow, the gateway is overloaded, a backend
# dies, the login service is down, a configuration is wrong, a certificate runs out, a cache is empty, the gateway
# itself is gone. The answers are a list as well: timeouts, circuit breakers, retries. This notebook causes each
# disaster, measures it, switches the mechanism on, and measures again.
#
# Each section has the same parts: the **trigger**, what the **client feels**, the **mechanism** with the file that
# holds it, **before and after** in one figure, and the claims as `assert`. The mechanisms are the classes that the
# gateway runs; services, clients and faults are simulated in **virtual time**, with the same seed before and after.
#
# > One part of the gateway comes later: hot reload. Section 5, which needs it, says so, and uses a stand-in in
# > `api_gateway/plotting/failures/`, no larger than the question.

# %%
import logging
import math
from datetime import UTC, datetime, timedelta

from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.plotting import failures as show
from api_gateway.plotting.failures import Panel
from api_gateway.plotting.table import Table

# %% [markdown]
# The gateway logs when a circuit opens or an endpoint is taken out. Here the figures say it.

# %%
logging.getLogger("api_gateway").setLevel("ERROR")

# %% [markdown]
# ## 1. A slow service takes a healthy one with it
#
# **Trigger.** The gateway stands before two services. The catalogue gets 100 requests a second, the reviews 60, and
# both take 50 ms. At 8 s the reviews become a hundred times slower: 5 s a request, for 20 s.
#
# **What the client feels.** Before you look: does a client of the *catalogue* feel anything? It has servers of its own,
# and they are bored.
#
# What the two share is the gateway. It can hold only so many requests at a time, here 100: sockets and memory have an
# end. By Little's law the reviews take 60/s × 0.05 s = 3 places in health, and 60 × 5 = 300 when slow.

# %%
shop = show.Shop()
everything = ("timeout", "breaker", "bulkhead")
bare, guarded = show.cascade(shop), show.cascade(shop, everything)

# %%
panels = [Panel("catalogue, no protection", bare.flows["catalogue"], bare.series["held"]),
          Panel("with timeout, breaker and bulkhead", guarded.flows["catalogue"], guarded.series["held"])]  # fmt: skip
figure, felt = show.what_clients_get(
    panels, shop.slow, "The reviews are slow, and most clients of the catalogue are refused", patience=1,
    says="reviews slow", below="places taken in the gateway", limit=(shop.places, "all there are"),
)  # fmt: skip
figure

# %%
before, after = felt.values()
assert before.failed_share > 0.5 and after.failed == 0
assert bare.most("held") == shop.places and guarded.most("held") < 0.4 * shop.places
assert shop.reviews * shop.takes == 3 and shop.reviews * shop.takes * shop.factor == 300

# %% [markdown]
# **How to read it.** Above, what clients of the catalogue get, counted by the second in which they asked. Below, the
# places that are taken. Within two seconds slow requests for reviews hold every place, and whoever comes finds none:
# 503, flag `OM`. The catalogue never had a problem.
#
# How many are refused is not a matter of luck. Places that are taken for a time and a door without a queue: that is
# Erlang's telephone exchange of 1917, and his formula does not care that some calls are short and some long.

# %%
load = shop.catalogue * shop.takes + shop.reviews * shop.takes * shop.factor
theory, measured = show.erlang_b(shop.places, load), 1 - bare.good("catalogue", 13, shop.slow[1])
print(f"refused by theory {theory:.1%}, measured {measured:.1%}")
assert math.isclose(theory, measured, rel_tol=0.1)
assert bare.flags("catalogue").keys() == {"-", "OM"}

# %% [markdown]
# **The mechanism.** Three files, composed around the *slow* service in `BackendService(..., middleware=[...])`:
# `middleware/deadline.py` (0.5 s, then 504), `middleware/circuit_breaking.py` (half of 20 failed: leave it alone for
# 5 s), `middleware/bulkhead.py` (20 at once). Which of them is it?

# %%
runs = {"nothing": bare, **{name: show.cascade(shop, [name]) for name in everything}, "all three": guarded}
rows = [(name, f"{run.good('catalogue', *shop.slow):.0%}", f"{run.most('held'):.0f} of {shop.places}",
         ", ".join(f"{flag} {count}" for flag, count in sorted(run.flags("reviews").items()) if flag != "-"))
        for name, run in runs.items()]  # fmt: skip
Table(["around the reviews", "catalogue answered", "most places", "flags of the reviews"], rows)

# %%
answered = {name: run.good("catalogue", *shop.slow) for name, run in runs.items()}
assert answered["timeout"] == answered["bulkhead"] == answered["all three"] == 1
assert answered["breaker"] < 0.5  # who never gives up never counts a failure
assert runs["all three"].most("held") < runs["timeout"].most("held")

# %% [markdown]
# *A breaker alone does nothing.* Slow answers are no failures, until a timeout makes them so (or `slow_after` does).
# The timeout is what bounds the damage: 60/s × 0.5 s = 30 places. The bulkhead bounds it without knowing any time. The
# breaker then gives these places back, and spares the reviews' own machines, which still got 60 requests a second.
#
# (`DT` is a deadline that passed. The timeout of a service over sockets, `timeout: {request: 500ms}`, is flagged `UT`.)
#
# > **In an interview:** "A slow service is worse than a dead one, because it holds what everybody shares. Places taken
# > = rate × time. A timeout bounds the time, a bulkhead bounds the product, and the breaker stops paying at all."

# %% [markdown]
# ## 2. Far more comes than can be done
#
# **Trigger.** Ten workers that take 10 ms on average can do 1,000 requests a second. Up to **10,000** come. Clients
# wait for 100 ms, then they are gone, and nobody tells the workers.
#
# **What the client feels.** One of ten could be served. Before you look: how many are served *in time*, if the queue is
# first in, first out? And if the queue drops, at its head, whoever's time is over?

# %%
offers = (500, 800, 1000, 1250, 2500, 10_000)
found = {way: [show.goodput(way, rate, seconds=max(1.2, 2000 / rate)) for rate in offers] for way in show.WAYS}

# %%
figure, left = show.goodput_by_offer(
    found, "To drop what has expired is not load shedding", ["bounded queue", "expected wait"]
)
figure

# %%
done = {way: points[-1].done / show.CAPACITY for way, points in found.items()}
assert left["first in, first out"] == 0 and left["drop the expired"] < 0.02
assert left["bounded queue"] > 0.93 and left["expected wait"] > 0.93
assert min(done.values()) > 0.95  # the workers are busy all the time, whatever comes of it

# %% [markdown]
# **How to read it.** To the right more is asked for, upwards more is answered within 100 ms. Up to the capacity all
# ways are alike. Beyond it two of them collapse, *while the workers are as busy as before*: they work for clients that
# have gone.
#
# Dropping the expired sounds right, and fails: under overload the head of the queue is always somebody whose time is
# *nearly* over. He is served, which takes 10 ms that he does not have. The work is wasted one step later.
#
# **The mechanism.** `middleware/bulkhead.py` with a bounded queue: 50 waiting are 50 ms, and the 51st is told at once.
# Or, with `resilience/expected_wait.py`, whoever would not be answered in time: `now + wait + service > deadline`.
# Both answer `503`, flag `OM`; the second also knows what to say in `Retry-After`.

# %%
queue, per_second = 50, show.CAPACITY
assert queue / per_second == 0.05 < 0.1 - 0.01 * 3  # what is left is enough for nearly every service time

# %% [markdown]
# That was the machine behind the gateway. What if it is **the gateway's own processor**? Say that it spends 0.1 ms on
# reading a request, and 0.9 ms on all else that it does for one. `middleware/load_shedding.py` watches how late the
# event loop is, and refuses before the 0.9 ms are spent.

# %%
shedding = {rate: show.busy_gateway(rate, [LoadSheddingMiddleware(BulkheadMiddleware(10_000))])
            for rate in (800, 2000, 5000, 10_000)}  # fmt: skip
drowning = {rate: show.busy_gateway(rate) for rate in (800, 2000, 5000)}
left_over = {rate: max(0.0, 1 - rate * show.READS) for rate in shedding}
rows = [(f"{rate:,}", f"{drowning.get(rate, 0):.0f}", f"{kept:.0f}", f"{left_over[rate] / show.SERVES:.0f}")
        for rate, kept in shedding.items()]  # fmt: skip
Table(["offered a second", "answered in 0.3 s", "with shedding", "there is time for"], rows)

# %%
assert drowning[2000] == drowning[5000] == 0 < shedding[5000] < shedding[2000]
assert shedding[2000] > 0.9 * (1 - 2000 * show.READS) / show.SERVES
assert shedding[10_000] == 0  # to refuse 10,000 a second takes 0.1 ms each, which is all of a processor

# %% [markdown]
# Shedding has an end of its own: **refusing is not free**. At 10,000 a second one process has time for nothing else,
# and then only more processes help. The gateway keeps no session, so that is arithmetic: at most 70 % busy, with 1 ms
# a request, ten thousand a second need 15 processes, and one more for the one that is being replaced.

# %%
needed = math.ceil(10_000 * (show.READS + show.SERVES) / 0.7)
assert needed == 15

# %% [markdown]
# > **In an interview:** "Overload without shedding is not degradation, it is an outage at full CPU. Refuse early, by
# > the wait that is to be expected; a queue should be as long as a burst, not as long as hope."

# %% [markdown]
# ## 3. A backend dies, and comes back
#
# **Trigger.** Four endpoints, 200 requests a second. At 10 s one refuses connections, at 25 s it accepts them again.
# The other three could carry everything.
#
# **What the client feels.** Round robin knows nothing of death: one request in four gets a 502 with the flag `UF`.

# %%
death = show.Death()
four = ("health check", "outlier detection", "retry", "slow start")
lost, saved = show.returning(death), show.returning(death, four)

# %%
panels = [Panel("nobody looks", lost.flows["orders"], lost.series["asked"]),
          Panel("checks, ejection, retry, slow start", saved.flows["orders"], saved.series["asked"])]  # fmt: skip
figure, felt = show.what_clients_get(
    panels, death.gone, "A death that no client notices, and a gentle return", patience=1,
    says="one is dead", below="to the dead one, a second", limit=(death.rate / 4, "a fair share"),
)  # fmt: skip
figure

# %%
before, after = felt.values()
assert math.isclose(before.failed_share, 0.25, rel_tol=0.01) and after.failed == 0
assert lost.flags("orders").keys() == {"-", "UF"} and saved.flags("orders").keys() == {"-"}

# %% [markdown]
# **How to read it.** Above, all clients. Below, what the endpoint that dies is asked: on the right it falls to nothing
# within half a second, stays there, and after the return grows in a straight line over ten seconds.
#
# **The mechanism.** `backend/health_check.py` asks each second, `backend/outlier_detection.py` counts errors in a row,
# `middleware/retry.py` asks somebody else, `backend/slow_start.py` holds back who has just come. What does each do
# alone?

# %%
some = {**{name: [name] for name in four[:3]}, "outlier detection, retry": four[1:3], "all but slow start": four[:3]}
trials = {"nothing": lost, **{name: show.returning(death, chosen) for name, chosen in some.items()}, "all four": saved}
notices = {name: show.noticed(trial, death) for name, trial in trials.items()}
rows = [(name, str(one.failed), f"{one.last_failure:.1f} s", str(one.tries), f"{one.back:g} s",
         f"{one.share_at_first:.0%}") for name, one in notices.items()]  # fmt: skip
Table(["mechanism", "failed", "last failure", "tries at the dead one", "back after", "share at first"], rows)

# %%
assert notices["health check"].last_failure < 2 * 1.1 + 0.5  # two checks and a timeout, at most
assert notices["outlier detection"].failed == 2 * 5  # five in a row, and five more after the first ejection
assert 0 < notices["retry"].failed < notices["nothing"].failed / 4  # the budget: a fifth more, and no storm
assert notices["outlier detection, retry"].failed == notices["all four"].failed == 0
assert notices["all four"].back <= 3 * 1.1 and notices["all four"].share_at_first < 0.1

# %% [markdown]
# *Retries alone are not enough, and that is on purpose.* A quarter of all requests fails, and the budget allows a fifth
# more. When something is *dead*, somebody has to stop asking; retries are for the moments until then. Outlier detection
# is quicker than the check, because it counts real requests, and the check knows better when the endpoint is back:
# outlier detection has to try, at the price of five more errors.
#
# A refused connection is safe to repeat for a POST as well: nothing was sent. An answer that did not come is not.

# %%
posts = show.returning(show.Death(method="POST", seconds=25), four)
assert posts.failed("orders") == 0

# %% [markdown]
# > **In an interview:** "Passive detection takes it out, active checks bring it back, retries cover the gap, slow start
# > covers the return. Each is there for what the others cannot do."

# %% [markdown]
# ## 4. The auth service is down
#
# **Trigger.** The service that says who is behind a token refuses connections, from 20 s to 45 s. All others are well.
#
# **What the client feels.** If the gateway asks it for each request: nobody gets in anywhere, and it looks as if
# everything were down.
#
# The gateway of this section is built of a configuration, with `auth` and its `introspection` as anybody would write
# them (`plotting/failures/login.py`). An identity is good for 10 s, `cache: 10s`, and then asked for again. What it is
# good for when nobody answers is `when_down`.

# %%
what = show.Outage()
logins = {policy: show.outage(policy, what) for policy in show.POLICIES}

# %%
panels = [Panel("the gateway asks each time", logins["ask each time"].trial.flows["users"]),
          Panel("who is known may read, nobody may write", logins["reads only"].trial.flows["users"])]  # fmt: skip
figure, felt = show.what_clients_get(
    panels, what.down, "Without the auth service nobody gets in, or nine of ten do", patience=1, says="auth is down"
)
figure

# %%
before, after = felt.values()
assert before.failed_share == 1 and 0.05 < after.failed_share < what.writes  # the writes of whoever is not fresh

# %% [markdown]
# **The mechanism.** `auth/introspection.py`: two decisions, and a breaker (`middleware/circuit_breaking.py`) around the
# auth service, so that nobody waits for it. First: does a known identity hold longer than it is fresh? Second: for
# what? There is no third, "open for everybody": it would let in whoever brings a token that nobody ever had, and make
# an attack on the auth service worth its while. Look at the last column.

# %%
kinds = ("reads", "writes", "strangers")
Table(["answered in the outage", *kinds],
      [(policy, *(f"{seen.share(kind):.0%}" for kind in kinds)) for policy, seen in logins.items()])  # fmt: skip

# %%
share = {policy: {kind: seen.share(kind) for kind in kinds} for policy, seen in logins.items()}
assert share["reads only"]["reads"] == 1 and share["known callers"]["writes"] == 1
assert {of["strangers"] for of in share.values()} == {0}  # whatever the policy
assert share["fail closed"]["reads"] < what.fresh / (what.down[1] - what.down[0])  # at most while they are fresh
assert share["reads only"]["writes"] == share["fail closed"]["writes"]

# %% [markdown]
# (In the figure, the last second after the outage is the breaker's: it asks again each 2 s.)
#
# *Fail closed* helps only as long as identities are fresh. *Reads only* answers all of nine tenths, and its price is
# exact: a token that was revoked during the outage still reads. Writes are refused, because a wrong read is seen by
# one, and a wrong write stays.
#
# > **In an interview:** "Open for reads of identities that I know, closed for writes and for strangers. And whether
# > that is right for *this* data is not mine to say: for medical records it is closed for both."

# %% [markdown]
# ## 5. A wrong configuration
#
# **Trigger.** Somebody edits the routes. There are two kinds of mistakes, and they have different remedies.
#
# **Those that a machine can find** never get out, if `api-gateway check` (`config/validate.py`) runs before. It says
# everything at once, each with its place:

# %%
document = """services:
  order-service: {endpoints: ["http://127.0.0.1:9001"]}
  user-service: {endpoints: ["http://127.0.0.1:9002"], load_balancer: round_robbin}
routes:
  - {path: /api/orders/*, service: oder-service}
  - {path: /api/users/*, servce: user-service}
"""
code, said = show.check(document)
print(said)

# %%
assert code == 1
assert [line.split(": ")[0] for line in said.splitlines()] == [
    "gateway.yaml:3:71", "gateway.yaml:5:36", "gateway.yaml:6:5", "gateway.yaml:6:26"
]  # fmt: skip

# %% [markdown]
# **Those that are valid and wrong** pass: the orders' route leads to the user service, which exists. No check can know
# what was meant. **What the client feels:** 404 for every order, from a service that is well.

# %%
users = {"path": "/api/users/*", "service": "user-service"}
right = {"routes": [{"path": "/api/orders/*", "service": "order-service"}, users]}
wrong = {"routes": [{"path": "/api/orders/*", "service": "user-service"}, users]}
gateways = show.Fleet()
at_once = show.rollout(gateways, right, wrong, [show.Stage(20, 60)])
staged = show.rollout(gateways, right, wrong, [show.Stage(1, 20), show.Stage(5, 20), show.Stage(20, 60)])

# %%
panels = [Panel(title, one.outcomes, (), (10, 10 + one.seen + gateways.going_back), f"wrong on {one.most} of 20")
          for title, one in (("all gateways at once", at_once), ("1, then 5, then all", staged))]  # fmt: skip
figure, felt = show.what_clients_get(
    panels, (0, 1), "The same mistake costs a fifteenth, if one gateway of twenty has it first", patience=1, says=""
)
figure

# %%
assert 13 < at_once.failed / staged.failed < 18
assert staged.most == 1 and at_once.seen < 1 < staged.seen < 20
expected = {one.most: show.expected_errors(gateways, one.most) for one in (at_once, staged)}
assert all(math.isclose(one.failed, expected[one.most], rel_tol=0.15) for one in (at_once, staged))

# %% [markdown]
# **The mechanism.** A *staged rollout*: one gateway of twenty first, then wait. When 20 of its answers are errors all
# go back, which takes 20 s. The arithmetic, as measured:
#
# **requests that meet it = errors to be sure + share × rate × time to go back**
#
# The first term does not shrink: the smaller the stage, the longer it takes to see. So a stage needs enough traffic to
# see an error in the time that it is given, and the second term is what a quick way back is for.
#
# > Hot reload, versions and the way back are a later part of the gateway. Here a balancer chooses between gateways with
# > the old and gateways with the new configuration, each built by `build_gateway`.

# %%
times = {count: show.expected_errors(gateways, count) for count in (20, 5, 1)}
assert times == {20: 1220, 5: 320, 1: 80}

# %% [markdown]
# > **In an interview:** "Most outages are changes. Validate what can be validated, and treat what cannot like new code:
# > one gateway first, an error rate that stops it, and a way back that is quicker than a repair."

# %% [markdown]
# ## 6. A certificate runs out
#
# **Trigger.** A date. The certificate is valid for 90 days, and a job renews it when fewer than 30 are left. On day 70
# the job breaks, and says nothing.
#
# **What the client feels.** Before you look: nothing, for how long? And then: do all requests fail at that instant?
#
# > No socket is opened here. A handshake is `now < not_after`, with the wall clock of virtual time; the rest is dates.

# %%
begin = datetime(2026, 1, 1, tzinfo=UTC)
jobs = {"nobody looks": show.Job(), "watched": show.Job(alarm_at=21)}
calendars = {name: show.days_left(job, begin, 200) for name, job in jobs.items()}
end = begin + timedelta(days=next(day for day, left in enumerate(calendars["nobody looks"]) if left <= 0))
minutes = {name: show.around_expiry(end, renewed=min(left) > 0) for name, left in calendars.items()}

# %%
figure, fewest = show.date_and_errors(
    calendars, minutes, 21, "No error rate warns of a date: all is well, and a minute later it is not"
)
figure

# %%
expired, renewed = minutes["nobody looks"], minutes["watched"]
assert max(expired.failed[: expired.before]) == 0 == max(renewed.failed)
assert fewest["watched"] == 21 - 3 and fewest["nobody looks"] < 0
assert math.isclose(expired.failed[expired.before + 60], 1 - math.exp(-1), rel_tol=0.1)

# %% [markdown]
# **How to read it.** On the left, the days that are left. The job broke on day 70, and the next renewal was due on
# day 122: for **52 days** nobody could have known, and for 29 more only the date said so. On the right, the minutes
# around the instant. A certificate is looked at when a connection is *made*, so open ones go on; with lifetimes of a
# minute on average, 1 - 1/e = 63 % of requests fail after one minute. A load test over kept connections would see
# nothing.

# %%
due = next(day for day, left in enumerate(calendars["nobody looks"]) if day > 70 and left < 30)
assert due - 70 == 52 and (end - begin).days - due == 29

# %% [markdown]
# **The mechanism.** Not the renewal, but the *watch*: the days left as a number in the metrics, and an
# alarm some time after renewal is due (30 days) and long before the end. It alarms on the *absence* of success,
# whatever broke the job. The gateway shows `api_gateway_certificate_expiry_seconds` for each certificate that it serves
# and warns in its log 21 days before (`server/tls/expiry.py`). There is no flag in the access log: a handshake that
# failed never was a request.
#
# > **In an interview:** "Renewal is automated, and that is why its failure is silent. I alarm on the date as it is
# > served on the socket, not on the job."

# %% [markdown]
# ## 7. A stampede
#
# **Trigger.** The front page comes from a cache. Its entry expires, and 1,000 clients ask in that moment.
#
# **What the client feels.** All find nothing, all ask. The database does 200 a second: the last one waits for 5 s, and
# everybody else who needs the database stands behind.
#
# Here the second cache is the gateway's own, `middleware/cache/`. The first is one of those that tutorials write: a
# dictionary of answers (`plotting/caching/seeds.py`). Notebook 07 is about nothing else than this and its relatives.

# %%
crowds = {"each asks": show.stampede(single_flight=False), "one asks for all": show.stampede(single_flight=True)}

# %%
figure, last = show.two_stampedes(crowds, "A thousand want the same: the database makes it a thousand times, or once")
figure

# %%
assert [crowd.calls for crowd in crowds.values()] == [1000, 1]
assert math.isclose(last["each asks"], 1000 / 200) and math.isclose(last["one asks for all"], 0.05)

# %% [markdown]
# **The mechanism.** *Single flight* (`middleware/cache/flight.py`): the first one asks, the others wait for his answer.
# 1,000 → 1, and exactly so. If the first client leaves before it is there, the next in line takes his place.
#
# It needs a place that all share, so N gateways make N calls. *Early expiry* (`caching/early_refresh.py`) needs none:
# each request may renew the entry before its end, the likelier the nearer it is (`t - δ β ln u ≥ e`). Here are 1,000
# requests a second, and an answer that takes 0.2 s to make. How often is it made, each time that it expires?

# %%
times = {beta: show.recomputations(beta) for beta in (0, 1, 2)}
theory = {0: 1 + 1000 * 0.2, 1: math.exp(1), 2: math.exp(1 / 2)}
Table(["beta", "made, each time", "theory"],
      [(str(beta), f"{made:.1f}", f"{theory[beta]:.1f}") for beta, made in times.items()])  # fmt: skip

# %%
assert math.isclose(times[0], 201, rel_tol=0.02)
assert all(math.isclose(times[beta], math.exp(1 / beta), rel_tol=0.15) for beta in (1, 2))

# %% [markdown]
# The theory: the chance to begin grows as e^(s/βδ), and while the first one takes its δ it grows by another factor of
# e^(1/β). So e^(1/β) begin on average: 2.7 instead of 201, without a lock, without a word between gateways. (Notebook
# 07 has the whole distribution, and says for which pages it does not work: those that few ask for.)
#
# > **In an interview:** "Coalesce in each gateway, expire early across them, and serve the stale answer meanwhile. The
# > cache is an optimisation only if the database survives without it."

# %% [markdown]
# ## 8. The gateway itself
#
# **Trigger.** A gateway dies. **What the client feels**: if there was one, everything is gone. So there are three,
# behind a balancer. Here the balancer is the gateway's own `BackendService`, whose endpoints are whole gateways, with
# `backend/health_check.py` each 2 s.

# %%
one, three = show.fleet(1, (20, 40)), show.fleet(3, (20, 40))
panels = [Panel("one gateway", one.flows["clients"]),
          Panel("three, behind a balancer that checks each 2 s", three.flows["clients"])]  # fmt: skip
figure, felt = show.what_clients_get(
    panels, (20, 40), "A gateway dies: everything is gone, or a third for three seconds", patience=1, says="one is dead"
)
figure

# %%
before, after = felt.values()
lasted = max(outcome.sent for outcome in three.flows["clients"] if outcome.status >= 500) - 20
assert before.failed_share == 1 and 2 < lasted < 4 and math.isclose(after.failed, lasted * 100 / 3, rel_tol=0.2)

# %% [markdown]
# **The arithmetic.** A gateway that is up for 99 h and down for 1 h is there 99 % of the time. Two are both down 1 % of
# 1 %: **99.99 %**, which is what interviewers want to hear. It is true under two conditions that nobody mentions:
# failover takes no time, and failures have nothing to do with each other.
#
# So draw failures and repairs of 200 years, and leave the conditions out one by one: 10 s until the balancer notices;
# and one failure in ten that takes all down at once (a configuration, a certificate, a zone; sections 5 and 6).

# %%
lives = {"independent, at once": show.Life(), "10 s to notice": show.Life(detection=10),
         "one in ten in common": show.Life(detection=10, common=0.1)}  # fmt: skip
seen = {name: [1, 2] if not life.detection else [1, 2, 3, 4] for name, life in lives.items()}  # rarer than in 200 years
drawn = {name: {count: show.simulated(lives[name], count, years=200) for count in seen[name]} for name in lives}

# %%
figure, lost = show.lost_by_gateways(lives, drawn, 4, "Two of 99 % make 99.99 %, if nothing takes both down at once")
figure

# %%
assert all(math.isclose(lost[name][count], dot, rel_tol=0.15) for name in lives for count, dot in drawn[name].items())
assert math.isclose(lost["independent, at once"][2], 1e-4) and show.nines(1e-4) == "99.99 %"
four_of = {name: by_count[4] for name, by_count in lost.items()}
assert four_of["one in ten in common"] > 1e-3 > four_of["10 s to notice"] > 2e-5 > four_of["independent, at once"]
assert four_of["one in ten in common"] > 0.9 * lost["one in ten in common"][2]  # more gateways do not help

# %% [markdown]
# **How to read it.** Lines are arithmetic, dots simulated. The blue line falls by two nines for each gateway. The dark
# one stays at `detection / (up + down)` = 10 s in 100 h, and the orange one at a tenth of 1 %. From the second gateway
# on, more of them buy nothing: what is left is *how fast* and *what is shared*.
#
# > **In an interview:** "N behind a balancer, in different zones, without state, and N - 1 must carry the load. The
# > nines then come from quick detection and from not having one configuration, one certificate and one deploy for
# > all at the same moment."

# %% [markdown]
# ## All of it
#
# What an operator sees in the access log and the metrics, what helps, and the number that was measured above.

# %%
signs = [("slow service", "DT, UO, and OM for others", "timeout, breaker, bulkhead", "middleware/bulkhead.py"),
    ("gateway overloaded", "OM", "bounded queue, expected wait", "resilience/expected_wait.py"),
    ("backend dies", "UF", "checks, outliers, retry", "backend/outlier_detection.py"),
    ("auth service down", "UAEX", "who is known may read", "auth/introspection.py"),
    ("wrong configuration", "none: a service's 404", "check, then in stages", "config/validate.py"),
    ("certificate", "none: never a request", "an alarm on the date", "server/tls/expiry.py")]  # fmt: skip

# %%
signs += [("stampede", "DT, UO of the service", "one asks for all", "middleware/cache/flight.py"),
          ("gateway gone", "none: nobody is there", "N, little shared", "backend/health_check.py")]  # fmt: skip
changes = [
    (f"{1 - answered['nothing']:.0%}", f"{1 - answered['all three']:.0%}", "of the healthy one's clients fail"),
    (f"{left['first in, first out']:.0%}", f"{left['expected wait']:.0%}", "of the capacity is of use"),
    (f"{notices['nothing'].failed}", f"{notices['all four'].failed}", "requests fail"),
    (f"{share['ask each time']['reads']:.0%}", f"{share['reads only']['reads']:.0%}", "of the reads are answered"),
]

# %%
worst = expired.failed[expired.before + 60]
changes += [
    (f"{at_once.failed}", f"{staged.failed}", "requests meet it"),
    (f"{worst:.0%}", f"{max(renewed.failed):.0%}", "fail after a minute"),
    (f"{crowds['each asks'].calls:,}", f"{crowds['one asks for all'].calls}", "calls"),
    (*(show.nines(lost["10 s to notice"][count]) for count in (1, 2)), "answered; 99.99 % if noticed at once"),
]
Table(["scenario", "flag in the log", "mechanism", "file", "before", "after", ""],
      [(*sign, *change) for sign, change in zip(signs, changes, strict=True)])  # fmt: skip

# %%
assert [change[:2] for change in changes[2:3] + changes[6:7]] == [("770", "0"), ("1,000", "1")]
assert len({sign[0] for sign in signs}) == 8 == len(changes)

# %% [markdown]
# ## Exercises
#
# 1. In section 1, give the breaker `slow_after` instead of a timeout. What does it protect, and what does it not?
# 2. In section 2, let clients wait for 30 ms instead of 100. Which of the two good ways suffers more, and why?
# 3. In section 3, let the endpoint hang instead of refusing (`Fault("hang", ...)`). What is missing then?
# 4. In section 5, how large must the first stage be to see the mistake within 20 s, if orders are 1 % of the traffic?
# 5. In section 8, what is the detection time worth if gateways are *replaced* every day, one by one?
