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
# # The trigger is gone. Why is the system still down?
#
# A database has a bad moment: for ten seconds it is ten times slower. Then it is as fast as ever. Its clients are
# patient and polite, they try again three times. And nothing works any more, a minute later, an hour later, until
# somebody turns the traffic off.
#
# This is a **metastable failure**: what began it is over, and what keeps it up is the system itself. Here it is caused,
# watched, computed and ended, with the gateway's own retry, budget, breaker, throttle and bulkhead, before a
# simulated service. The event loop never waits (**virtual time**), so two minutes take one second and each run is
# the same.

# %%
import logging
import math

from api_gateway.plotting import retry_storms as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table

logging.getLogger("api_gateway").addHandler(logging.NullHandler())  # breakers log what the figures show

# %% [markdown]
# ## The words
#
# A **request** is what a client wants; a **call** is one try of it. The **load** is what clients want, as a share of
# what the service can do, here 100 a second. **Goodput** is good answers a second. **Amplification** is calls for each
# request: 1 when nothing is tried again.
#
# The **trigger** is what goes wrong from outside, the **sustaining effect** is what keeps it wrong. Whoever looks for
# the trigger afterwards finds nothing.
#
# Each call waits 1 s for its answer. The service does not notice who has given up: it works for them all the same.

# %%
load, tries_again = 0.7, 3
assert (show.CAPACITY, show.TIMEOUT, show.TRIGGER) == (100, 1.0, (60.0, 70.0))

# %% [markdown]
# ## 1. The storm
#
# 70 requests a second, 70 % load. From 60 s to 70 s the service is ten times slower. The same once with three retries
# for each request and once with none.
#
# Before you look: during the ten seconds about 600 requests cannot be served. When is the service well again?

# %%
stormy = show.storm(show.Setup(tries_again), load)
calm = show.storm(show.Setup(0), load)
figure, end = show.storm_timeline(
    {"3 retries": stormy, "no retries": calm}, "The slowness ends at 70 s; with three retries, the outage does not"
)
figure

# %%
assert end["3 retries"].recovered is None and end["3 retries"].goodput == 0
assert end["no retries"].recovered == 19
assert 3.9 < end["3 retries"].amplification <= 4

# %% [markdown]
# **How to read it.** Grey ground is the trigger. *Without* retries the queue that built up, 600 requests, is worked off
# with the 30 a second that are free: 19 s, and in that time nobody gets an answer, because everybody waits too long.
# Then it is over.
#
# *With* retries every call that times out is made again. Four calls for each request are 280 a second, and the service
# can do 100. It does do 100, all the time, without a pause, and every answer is for somebody who has left.
# **Busy, and useless**: its own metrics show full use and no errors.

# %%
assert abs((70 - 10) * 10 / (100 - 70) - end["no retries"].recovered) <= 1
assert sum(stormy.useful()[75:]) == 0 and min(stormy.queued[75:]) > 1000

# %% [markdown]
# > **In an interview:** "The trigger was ten seconds of slowness. The sustaining effect is that work grows with
# > failure: each timeout makes another call, and each call is served too late. The system has two stable states at
# > the same load, and the trigger only moved it from one to the other."

# %% [markdown]
# ## 2. Why: amplification
#
# If a call fails with probability p, independently of others, a request with r retries makes
#
# $$1 + p + p^2 + \dots + p^r = \frac{1 - p^{\,r+1}}{1 - p}$$
#
# calls. Here a service fails by chance, and the gateway's calls are counted.

# %%
shares = [0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0]
measured = {retries: {p: show.calls_per_request(p, retries, 400) for p in shares} for retries in (1, 2, 3, 5)}

# %%
figure, off = show.beside_the_formula(measured, "Retries cost nothing while all is well, and most when nothing works")
figure

# %%
assert max(off.values()) < 0.06
assert all(measured[retries][1.0] == 1 + retries for retries in measured)
assert measured[3][0.1] < 1.15

# %% [markdown]
# **How to read it.** At 10 % failures three retries cost 11 % more calls, and turn one failure in ten into one in ten
# thousand. That is why everybody likes them. They are cheap exactly when they are not needed, and the full 1 + r
# comes exactly when the service can bear it least.
#
# In the storm p is not given from outside. More calls, longer queue, more timeouts, more calls. The loop has
# no way back where **load × (1 + r) > 1**: even with a healthy service, retries alone fill it.

# %%
assert load * (1 + tries_again) > 1 > 0.2 * (1 + tries_again)

# %% [markdown]
# > **In an interview:** "Success goes up from 1 - p to 1 - p to the power r + 1, and calls go up to 1 + r times. The
# > first is what one sees on a good day."

# %% [markdown]
# ## 3. The map
#
# So load and retries decide. Here every cell is a simulation of its own (a service of 20 a second, slow for 5 s), and
# says how long after the trigger it was well again. The line is the theory, load × (1 + retries) = 1.
#
# On the right the same with one difference: at most 10 may wait at the service, half a timeout's worth. Who comes then
# gets a 503 at once, and *is still tried again*.

# %%
loads = [0.09 * number for number in range(1, 11)]
maps = {"any number may wait": show.fates(loads, range(5)),
        "half a timeout's worth may wait": show.fates(loads, range(5), queue=10)}  # fmt: skip

# %%
figure, stuck = show.maps_of_fate(
    maps, loads, "Load and retries decide whether it comes back; with a bounded queue it does"
)
figure

# %%
by_retries = maps["any number may wait"]
assert all(
    (fate is None) == (load * (1 + r) > 1)
    for r, fates in by_retries.items()
    for load, fate in zip(loads, fates, strict=True)
)
assert stuck == {"any number may wait": 28 / 50, "half a timeout's worth may wait": 0}

# %% [markdown]
# **How to read it.** Orange cells never come back. All of them are above the line, and none below it. Below, it takes
# the longer the nearer to the line, because what is left of the capacity to work off the queue is 1 - load × (1 + r).
#
# Between 25 % and 90 % load most services live where they work perfectly *and* cannot come back: **vulnerable**.
# Nothing shows it before the trigger comes. At 3 retries it begins at 25 % load.
#
# And on the right nothing is ever stuck, with the same retries. Why is in the next section.

# %%
assert all(
    fate is not None and fate < 1 for fates in maps["half a timeout's worth may wait"].values() for fate in fates
)
assert by_retries[3][:2] == [3.0, 9.0] and set(by_retries[3][2:]) == {None}

# %% [markdown]
# > **In an interview:** "A system that works at 70 % load with three retries is not healthy, it is metastable. The
# > test is load × (1 + r) against 1, and I would not wait for the trigger to make it."

# %% [markdown]
# ## 4. What ends it
#
# The storm of section 1 again, each time with one thing more. Retries stay at three.
#
# Before you look: which is the fastest? And what does a budget of 10 % do for those in the queue?

# %%
cures = {
    "retries alone": show.Setup(),
    "retry budget, 10 %": show.Setup(budget=0.1),
    "bounded queue, 50": show.Setup(queue=50),
    "circuit breaker": show.Setup(guard=show.breaker),
    "throttle, K = 2": show.Setup(guard=show.throttle),
    "bulkhead, 50 places": show.Setup(guard=show.places(50)),
}
storms = {"retries alone": stormy, **{name: show.storm(cures[name], load) for name in list(cures)[1:]}}

# %%
figure, ends = show.endings(storms, "What bounds the calls ends the storm; a bounded queue ends it at once", columns=3)
figure

# %%
back = {name: one.recovered for name, one in ends.items()}
assert back.pop("retries alone") is None and None not in back.values()
assert sorted(back, key=lambda name: back[name] or 0) == [
    "bounded queue, 50", "circuit breaker", "bulkhead, 50 places", "retry budget, 10 %", "throttle, K = 2"
]  # fmt: skip
assert back["bounded queue, 50"] == 0 and ends["bounded queue, 50"].failed == min(one.failed for one in ends.values())

# %% [markdown]
# **How to read it.** Orange is calls, blue is good answers; the dotted line is what the service can do.
#
# - **Retry budget**: retries are 10 % of the requests, whatever fails. So 77 calls a second instead of 280, and the
#   queue of 600 is worked off, with less to spare than without retries. Everybody in it still waits in vain.
#   It makes the storm impossible; it does not make the queue short. (The orange spikes each 10 s are the budget's
#   window: what was spent together comes back together.)
# - **Bounded queue, fail fast**: the finding of this notebook. The calls go up as before, to four times, *and it does
#   not matter*. A refusal costs nothing, and what is admitted waits at most 50 / 100 = half a second, so it is
#   answered in time. Every bit of capacity makes goodput: the service is well the moment it is fast.
# - **Circuit breaker**: no calls, so the queue empties by itself. It is back when its probes are: 5 s steps here. The
#   price is that it refuses everybody, also those who could have been served.
# - **Throttle**: it lets through twice what was accepted of late. That was nothing for so long that it takes its time
#   to trust again. It is made for overload, where a part is served, and not for an outage.
# - **Bulkhead**: the same thought as the bounded queue, made by the caller, who does not know the queue and so guesses.

# %%
assert max(storms["bounded queue, 50"].calls) > 4 * 70 and 50 / show.CAPACITY < show.TIMEOUT
assert storms["retry budget, 10 %"].amplification(62, 96) < 1.2
assert storms["circuit breaker"].amplification(62, 70) < 0.1

# %% [markdown]
# ### Almost cures
#
# Each of these sounds right. The first has the wrong number, the second comes too late, the third is only half of it,
# and the fourth is too much of a good thing.

# %%
almost = {
    "bulkhead, 100 places": show.Setup(guard=show.places(100)),
    "service leaves out who has gone": show.Setup(notices_departures=True),
    "one retry instead of three": show.Setup(1),
    "retry budget, 20 %": show.Setup(budget=0.2),
}
again = {name: show.storm(setup, load) for name, setup in almost.items()}
ends |= {name: show.ending(one) for name, one in again.items()}

# %%
words = {name: "never" if one.recovered is None else f"{one.recovered:g} s" for name, one in ends.items()}
rows = [(name, words[name], f"{one.failed:,}", f"{one.goodput:.0f}/s", f"{one.amplification:.2f}")
        for name, one in ends.items()]  # fmt: skip
Table(["with", "well again after", "failed requests", "goodput at the end", "amplification"], rows)

# %%
assert words["bulkhead, 100 places"] == words["one retry instead of three"] == "never"
assert words["service leaves out who has gone"] == "never" and ends["service leaves out who has gone"].goodput < 10
assert (ends["retry budget, 20 %"].recovered or 0) > (ends["retry budget, 10 %"].recovered or 99)

# %% [markdown]
# *A hundred places* are exactly what the service does within one timeout: 100 a second × 1 s. So as many come as go,
# and the old queue stays. By Little's law the limit must be **below capacity × timeout**; with 50 it works.
#
# *Leaving out who has gone* when their turn comes is not the same as refusing them when they arrive. Those who are left
# have waited nearly a second, and no time remains to serve them: 7 of 70 a second are lucky. Dropping expired work is
# **not** load shedding; one must refuse those for whom the time that is left will not be enough.
#
# *One retry* moves the boundary to 50 % load, and this is 70 %. *A larger budget* leaves less to work off the queue:
# 100 - 70 × 1.2 = 16 a second instead of 23. The theory for budgets is load × (1 + budget) < 1.

# %%
assert show.CAPACITY * show.TIMEOUT == 100 and load * (1 + 1) > 1
assert load * (1 + 0.2) < 1 and math.isclose(100 - 70 * 1.2, 16) and math.isclose(100 - 70 * 1.1, 23)

# %% [markdown]
# **Try it.** Load and retries of the storm. (Where nobody can move sliders, you see 20 % load, the same three retries.)


# %%
def try_it(load: float, retries: int) -> Picture:
    chosen = show.storm(show.Setup(retries), load, seconds=110)
    without = show.storm(show.Setup(0), load, seconds=110)
    both = {f"{retries} retries": chosen, "none": without}
    return show.storm_timeline(
        both, f"{load:.0%} load, {retries} retries: load × (1 + r) = {load * (1 + retries):.2f}"
    )[0]


explore(try_it, load=Knob(0.2, 0.1, 0.9, 0.1), retries=Knob(3, 1, 5))

# %%
assert show.storm(show.Setup(3), 0.2, seconds=110).recovered() == 92  # 0.8 is below 1: it comes back, but slowly

# %% [markdown]
# > **In an interview:** "I would bound the queue first: a queue longer than the timeout holds only work for nobody.
# > Then a retry budget, so that retries can never be the load. The breaker is for when there is nothing to be had."

# %% [markdown]
# ## 5. When they come back: backoff and jitter
#
# A thousand clients ask at the same moment. The service takes ten in each 100 ms and refuses the others, who wait and
# come back: at most 100 ms, then 200, 400, up to 10 s.
#
# Before you look: exponential backoff halves the rate of each client each time. Does it help?

# %%
crowds = {"no jitter": show.crowd("none"), "full jitter": show.crowd("full")}
figure, numbers = show.crowd_raster(crowds, 25, "Backoff without jitter only moves the crowd; jitter spreads it")
figure

# %%
assert numbers["no jitter"].calls == 50_500 == sum(range(10, 1001, 10))
assert 7_000 < numbers["full jitter"].calls < 7_600
assert numbers["no jitter"].busiest == 990 and numbers["full jitter"].over < 20 < numbers["no jitter"].over / 40

# %% [markdown]
# **How to read it.** A line is a client, an orange dot is a call that was refused, a blue dot the one that was not. On
# the left all that are left come back at the same instant, ten are taken, and the service is *idle* until the next.
# 1,000 + 990 + ... + 10 = 50,500 calls, and a quarter of an hour for ten seconds of work.
#
# On the right the wait is anything from 0 to the same ceiling. The blue line is straight: the service is busy all the
# time. The ways to draw differ little; that there is a draw is what matters:

# %%
ways = {"none": numbers["no jitter"], "full": numbers["full jitter"]}
ways |= {name: show.summary(show.crowd(name)) for name in ("equal", "decorrelated")}
rows = [(name, f"{one.calls:,}", f"{one.busiest:,}", f"{one.over:.0f} s") for name, one in ways.items()]
Table(["jitter", "calls", "most in 100 ms, after the first", "all served after"], rows)

# %%
drawn = [ways[name].calls for name in ("full", "equal", "decorrelated")]
assert max(drawn) < 1.06 * min(drawn) < ways["none"].calls / 6

# %% [markdown]
# Jitter helps where clients came *together*. It does nothing about the storm of section 1, whose requests come
# independently anyway: there the number of calls is the trouble, not their moment.
#
# > **In an interview:** "Exponential backoff without jitter keeps the herd together. Full jitter: a draw from zero to
# > the ceiling. It spreads the calls; a budget is what makes them fewer."

# %% [markdown]
# ## 6. Layers
#
# The mobile app tries again, the gateway does, the order service does, and so does its database driver. Each is
# careful: three retries. The last service is down. These are real gateways, one behind the other:

# %%
deep = {r: [show.calls_per_request(1.0, r, requests=1, layers=count) for count in (1, 2, 3, 4)] for r in (1, 2, 3)}
figure, most = show.through_layers(deep, "Three retries in each of four layers make 256 calls of one request")
figure

# %%
assert most == {r: (1 + r) ** 4 for r in (1, 2, 3)}
partly = show.calls_per_request(0.5, 1, 1000, layers=3)
assert abs(partly / show.amplification(0.5, 7) - 1) < 0.05  # three layers of 1 retry are one of 2 ** 3 - 1

# %% [markdown]
# **How to read it.** Nobody decided on 255 retries. But L layers of r retries are *one* layer of (1 + r)ᴸ - 1, for
# whatever share of calls fails. So try again in one layer, the one nearest to the failure that knows what is safe, and
# let the others pass the error on. A budget in each helps as well: 1.2⁴ is 2.1.

# %%
assert round(1.2**4, 1) == 2.1

# %% [markdown]
# > **In an interview:** "Retries multiply through layers. One layer retries; and a refusal by overload says so, with
# > 503 and Retry-After, so that nobody above tries again at once."

# %% [markdown]
# ## 7. What to set, and why
#
# | what | set it to | because |
# |---|---|---|
# | `retry.attempts` | 2 or 3, in one layer only | a third helps p² of the requests; in an outage all cost the whole |
# | `retry.budget` | 0.1 to 0.2 | then load × (1 + budget) stays below 1, and no storm can live |
# | `retry.on` | connect errors, 502, 503, 504; idempotent methods | the rest is not made better, or is done twice |
# | `retry.backoff` | full jitter, always | 7,300 calls instead of 50,500 |
# | the service's queue | below capacity × timeout; half of it | what waits longer is for nobody |
# | `concurrency` | below capacity × timeout, divided by the gateways | the same, from the caller's side |
# | `circuit_breaker` | seconds, not minutes, of `open_for` | it ends the storm, and then it is the outage |
# | `throttle` | for lasting overload | it comes back slowly from nothing |
# | timeouts | the p99.9, not ten times that | the timeout is how much useless work is in the queue |
# | the deadline | one for all tries | retries after it are for nobody |
# | an alarm | on calls / requests, and on load × (1 + r) | errors and use look normal until it is too late |
#
# If it has happened: **less load**, not more patience. Turn retries off, refuse a part at the edge, and let the queue
# empty; then let them back in. More servers help only if they come with empty queues.
#
# *The trigger is gone; why is the system still down?* Because it is doing work, at full speed, that nobody waits for.

# %%
rows = [(name, words[name], f"{ends[name].failed:,}") for name in sorted(ends, key=lambda name: ends[name].failed)]
Table(["the same ten seconds, with", "well again after", "failed requests"], rows)

# %%
assert rows[0][0] == "bounded queue, 50" and rows[1][0] == "circuit breaker"
assert ends[rows[-1][0]].recovered is None

# %% [markdown]
# ## Exercises
#
# 1. `show.Setup(budget=0.1, queue=50)`: predict how many requests fail, and how many calls are made. Which of the two
#    does the work?
# 2. Find the longest queue that still ends the storm at once. Compare with capacity × timeout.
# 3. How short must the trigger be (`TRIGGER` in `plotting/retry_storms/laboratory.py`), so that 70 % load with three
#    retries survives it? Think of the queue at which the last call is just in time.
# 4. Two services, A asks B, both bounded, both retrying. Draw the map of section 3 for B.
