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
# # Where do the milliseconds go, and is your p99 honest?
#
# Two questions that belong together. The first asks what a request waits for. The second asks whether the number on
# the dashboard knows: a p99 can be measured wrongly, averaged wrongly, or made of too few requests, and then it is
# small and false.
#
# All requests here go through the real gateway, before simulated services, in **virtual time**: the event loop never
# waits, so a minute takes part of a second, and each run is the same. Where there is a formula, it stands beside.
# Only section 7 measures this machine.

# %%
import math

from api_gateway.plotting import latency as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.load_balancing import latency_percentiles
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table
from api_gateway.simulation import Exponential, Fault, LogNormal, Stalling

# %% [markdown]
# ## The words
#
# **Latency** is the time from sending a request to the last byte of its answer. A **service time** is what a worker
# needs for it; the rest is waiting. The **p99** is the time that 99 of 100 requests do not exceed. The **tail** is what
# lies beyond.

# %% [markdown]
# ## 1. One request, taken apart
#
# The gateway has a rate limit that delays (`leaky_bucket_queue`, 20 a second), retries, and a concurrency limit of 2.
# Of its two endpoints one answers 500. Other clients are there too. Between every two layers stands an observer, which
# notes when the request comes by and when its answer comes back.
#
# Before you look: the service works 45 ms on the answer. How long does the client wait?

# %%
trace = show.traced_request()
figure, own = show.waterfall(trace, "Of the 233 ms of this request, 45 ms are work on its answer")
figure

# %%
assert round(1000 * trace.outcome.duration) == 233 and math.isclose(sum(own.values()), 1000 * trace.outcome.duration)
wasted, answer = (1000 * (end - start) for start, end in trace.visits["service's work"])
assert round(wasted) == 20 and round(answer) == 45
assert trace.outcome.status == 200 and trace.outcome.attempts == 2

# %% [markdown]
# **How to read it.** A bar is the time that a layer has the request itself. A thin line says that it is further in. At
# each moment there is one bar, so the numbers at the right add up to what the client waited.
#
# - *Rate limit*: the same client asked just before. At 20 a second its turn comes after 50 ms.
# - *Try 1* meets the bad endpoint: 20 ms of work for a 500, thrown away.
# - *Retry* waits before it asks again (full jitter), so that not everybody comes back at once.
# - *Concurrency limit* and *service's queue* are both queues, one on each side of the network. The first one the
#   gateway can see, bound and refuse.
#
# The gateway's own work is not in the picture: virtual time does not count it, and at this scale it has no width.
#
# > **In an interview:** "Latency is mostly waiting, so I ask which queue. A trace tells me only if each layer writes
# > down its *own* time. And the client's log shows one fine 200."

# %%
waiting = trace.outcome.duration * 1000 - wasted - answer
assert waiting / (1000 * trace.outcome.duration) > 0.7

# %% [markdown]
# ## 2. Seven calls for one page
#
# A page of a shop needs seven services, 200 ms each. The client calls one after the other. Or it asks the gateway
# once, which calls all at the same time: a route with an `aggregate` (`backend/aggregator.py`), which names a service
# and a path for each part of the answer.

# %%
seven = ["user", "order", "payment", "inventory", "product", "shipping", "review"]
loaded = {"in turn, by the client": show.pages(0.2, 7, at_once=False)[0],
          "at once, at the gateway": show.pages(0.2, 7, at_once=True)[0]}  # fmt: skip
figure, seconds = show.lanes(loaded, seven, "Seven calls of 200 ms: 1.4 s in turn, 0.2 s at once")
figure

# %%
in_turn, at_once = seconds.values()
assert math.isclose(in_turn, 7 * 0.2) and math.isclose(at_once, 0.2)
five = [show.pages(0.3, 5, at_once=together)[0].duration for together in (False, True)]
assert math.isclose(five[0], 1.5) and math.isclose(five[1], 0.3)  # five calls of 300 ms: likewise

# %% [markdown]
# **How to read it.** Each bar is a call, time goes to the right, the stroke is where the page is complete. A sum has
# become a maximum. A client with a slow radio saves more, because it crosses it once.
#
# All seven start together because no part names another. Where one does, `/users/{order.user_id}`, it starts when the
# other is there, and the page takes as long as the longest chain.
#
# *"The slowest call"* sounds like 200 ms. It is, as long as all take exactly that. Let service times vary,
# exponentially, still 200 ms on average.
#
# Before you look: how long does a page take now?

# %%
varied = show.pages(Exponential(0.2), 20, at_once=True, count=500)
figure, slowest = show.slowest_of_many(
    varied, 0.2, "A page waits for its slowest call: of 7, that is 2.6 times the average"
)
figure

# %%
assert round(show.slowest_of_exponentials(7), 1) == 2.6
assert all(math.isclose(slowest[n], 200 * show.slowest_of_exponentials(n), rel_tol=0.04) for n in slowest)
assert slowest[7] < in_turn * 1000 / 2  # still far better than one after the other

# %% [markdown]
# **How to read it.** Dots are simulated, the grey line is theory: of n exponential times the slowest is 1 + 1/2 + ... +
# 1/n times as long as one, on average. The mean of a maximum is more than the maximum of the means.
#
# Why that sum? While n calls are under way, the first of them ends after 1/n of a mean, the next after 1/(n-1), and the
# last one alone takes a whole one.
#
# > **In an interview:** "Fan-out turns a sum into a maximum, so 1.4 s become the slowest call. But a maximum is made by
# > the tail: the more calls, the more a page's median looks like a call's p99. So I give optional parts a timeout of
# > their own, and leave them out."

# %% [markdown]
# ## 3. The load generator that stops asking
#
# A server does 100 requests a second. It gets 50, and once it pauses for 2 s, as in a garbage collection. Two
# generators measure the same minute:
#
# - a **closed loop**, as `wrk` has it: a connection asks, waits for the answer, and asks again;
# - an **open loop**, as the internet is: requests come, whether or not the earlier ones were answered.
#
# Before you look: each sends about 3,000 requests. What p99 does each report?

# %%
pause = [Fault("slow", start=30, end=32, factor=200)]  # the one request that begins then takes 200 times 10 ms
closed = show.outcomes_of_users(0.01, users=1, think=0.01, seconds=60, workers=1, faults=pause)
opened = show.outcomes_of(0.01, rate=50, seconds=60, workers=1, faults=pause)

# %%
figure, p99 = show.sent_and_waited(
    {"closed loop: waits for each answer": closed, "open loop: goes on asking": opened}, (30, 32),
    "The same pause of 2 s: one loop reports a p99 of 10 ms, the other of 1.7 s",
)  # fmt: skip
figure

# %%
reported, felt = p99.values()
assert round(reported, 3) == 0.01 and round(felt, 1) == 1.7
assert len(closed) > 2800 and len(opened) > 2800
asked = [sum(30 <= one.sent < 32 for one in run) for run in (closed, opened)]
assert asked[0] == 1 and asked[1] > 90

# %% [markdown]
# **How to read it.** A dot is a request, at the moment at which it was sent. At the left there is a hole: while the
# server pauses, the generator waits for its one answer, and does not ask. One bad request of 2,901 is no p99. At the
# right a hundred requests meet the pause, and a hundred more the queue that it leaves.
#
# The generator coordinates with the server to omit the bad moments: **coordinated omission**. Nothing in the report
# shows it. Two ways out:
#
# - **Correct it.** A request of 2 s, where one was due each 20 ms, hid a hundred others; add them.
# - **Do not make it.** Send by the clock (`wrk2`, k6's arrival rates), and count from when a request was *due*.

# %%
lines = {"open loop": sorted(one.duration for one in opened), "closed loop": sorted(one.duration for one in closed),
         "closed, corrected": show.corrected([one.duration for one in closed], interval=0.02)}  # fmt: skip
figure, at = latency_percentiles(
    lines, "The correction finds 1.4 of the 1.7 s: it knows of the pause, not of the queue", ["open loop"]
)
figure

# %%
assert round(at["closed, corrected"][0.99], 1) == 1.4 and at["closed loop"][0.99] < 0.011
assert at["open loop"][0.95] > 0.4 and at["closed, corrected"][0.95] < 0.011
hidden = len(lines["closed, corrected"]) - len(closed)
assert 95 <= hidden <= 100

# %% [markdown]
# **How to read it.** To the right are ever rarer requests. The corrected line rises where 3 % are left, the open one
# already at 7 %: those who came after the pause stood in line for as long again. No correction can know them, since
# nobody asked.


# %% [markdown]
# **Try it.** How long must a pause be until the closed loop's p99 shows it? No length will do: one request meets it,
# and it takes one in a hundred. (Where nobody can move sliders, you see one such picture.)


# %%
def paused(seconds: float, rate: float) -> Picture:
    fault = [Fault("slow", 30, 30 + seconds, factor=100 * seconds)]
    runs = {"closed loop": show.outcomes_of_users(0.01, 1, 1 / rate - 0.01, 60, workers=1, faults=fault),
            "open loop": show.outcomes_of(0.01, rate, 60, workers=1, faults=fault)}  # fmt: skip
    return show.sent_and_waited(runs, (30, 30 + seconds), f"{rate:g} a second, and a pause of {seconds:g} s")[0]


explore(paused, seconds=Knob(1.0, 0.5, 5.0, 0.5), rate=Knob(30, 10, 80, 10))

# %%
assert 0.01 * len(closed) > 1  # so the one request that met the pause is no p99, however long the pause

# %% [markdown]
# > **In an interview:** "First I ask how it was measured. A closed loop slows down with the server and reports the
# > server's good moments. I measure open loop, at a rate, from the time at which a request should have been sent."

# %% [markdown]
# ## 4. Tails, fan-out, and a second try
#
# A service answers in 5 ms on average (exponentially), but one request in a hundred takes anything up to a second. Few
# would notice: that is beyond the p95. Then a page needs a hundred such calls.

# %%
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.resilience.hedging import Hedging

stalling = Stalling(Exponential(0.005), longest=1.0, share=0.01)
one_call = show.mixture([(0.99, show.exponential(5)), (0.01, show.uniform(1000))])
p95, p99_of_one = show.quantile(one_call, 0.95), show.quantile(one_call, 0.99)
hundred = show.pages(stalling, 100, at_once=True, count=300)

# %%
figure, met = show.pages_with_a_slow_call(
    hundred, p99_of_one / 1000, "What one call in a hundred meets, 63 of a hundred pages with 100 calls meet"
)
figure

# %%
assert round(show.meets_a_slow_one(100), 3) == 0.634
assert all(abs(share - show.meets_a_slow_one(n)) < 0.03 for n, share in met.items())

# %% [markdown]
# **How to read it.** Dots are pages through the gateway, the line is 1 - 0.99ⁿ. With 100 calls the p99 of a call is
# better than the *median* of a page.
#
# What helps? Whoever has no answer at the p95, 16 ms, asks **a second time**, and takes what comes first. That is
# `HedgeMiddleware`, around the service, as it runs in the gateway. A request is late only if both calls are:
#
# > S(t) = S₁(t) · S₁(t - 16 ms)
#
# Before you look: five of a hundred requests ask twice. What becomes of the p99.9?


# %%
def hedged(after: float, max_extra: float) -> object:
    return lambda clock: [HedgeMiddleware(Hedging(round(after * 1e6), max_extra), clock)]


plain = show.outcomes_of(stalling, rate=500, seconds=40)
twice = show.outcomes_of(stalling, rate=500, seconds=40, middleware=hedged(p95, max_extra=0.1))
theory = {"one call": one_call, "hedged at the p95": show.hedged(one_call, p95)}

# %%
figure, tails = show.survival_beside_theory(
    {"one call": show.milliseconds(plain), "hedged at the p95": show.milliseconds(twice)}, theory,
    "5 % more calls take the p99.9 from 887 ms to 30 ms", "hedged at the p95",
)  # fmt: skip
figure

# %%
more = sum(one.attempts for one in twice) / len(twice) - 1
assert 0.045 < more < 0.055 and round(p95) == 16
before, after = tails["one call"], tails["hedged at the p95"]
assert round(before[0.999]) == 887 and round(after[0.999]) == 30
assert all(math.isclose(tails[name][0.999], show.quantile(theory[name], 0.999), rel_tol=0.05) for name in theory)

# %% [markdown]
# **How to read it.** Downwards requests are ever rarer, to the right ever slower; both scales are powers of ten. Dots
# are simulated, lines are the formula. Up to 16 ms nothing differs. Then the line of one call reaches its shelf, the 1
# % that stall, and the hedged one falls past it.
#
# *It works because being slow is a matter of chance*: the second call is slow once in a hundred, whatever the first
# one does. Now let **everything** be slow, 2.2 times, for 10 s. The service has three workers, 36 % busy before and 79
# % meanwhile. All calls are late now, so all are made twice.

# %%
slow = Fault("slow", start=10, end=20, factor=2.2)
policies = {"no hedging": {}, "hedging, budget 5 %": {"middleware": hedged(45, 0.05)},
            "hedging, no budget": {"middleware": hedged(45, 1.0)}}  # fmt: skip
ill = {name: show.outcomes_of(Exponential(0.015), 72, 40, workers=3, faults=[slow], **policy)
       for name, policy in policies.items()}  # fmt: skip

# %%
figure, worst = show.p99_over_time(
    ill, (10, 20), "Everything is slow: hedging without a budget turns 0.3 s into 4 s", "hedging, budget 5 %"
)
figure

# %%
none, budget, unbounded = worst.values()
assert 250 < none < 300 and budget < 1.1 * none and 3_500 < unbounded < 4_500
calls = {name: sum(one.attempts for one in run) / len(run) for name, run in ill.items()}
assert calls["hedging, budget 5 %"] < 1.055 and calls["hedging, no budget"] > 1.4
after_it = [one.duration for one in ill["hedging, no budget"] if 26 <= one.sent < 28]
assert max(after_it) > 0.5 and max(one.duration for one in ill["no hedging"] if 22 <= one.sent < 40) < 0.2
rho = 72 * 0.015 / 3
assert round(rho, 2) == 0.36 and round(2.2 * rho, 2) == 0.79

# %% [markdown]
# **How to read it.** The p99 of each two seconds, on a scale of powers of ten. Without a budget, late answers make more
# calls, more calls make longer queues, and longer queues make later answers. It goes on for 10 s after the fault is
# over. With a budget of 5 % hedging does not help here, and does no harm.
#
# > **In an interview:** "I hedge reads, at the p95, with a budget of a few per cent, and cancel the loser. It cuts
# > tails that are chance. When all is slow it is load, so the budget is not a detail, it is what makes it safe."

# %% [markdown]
# ## 5. Percentiles are not numbers that you can average
#
# Two servers. One answers in 10 ms (the median; log-normal, as measured services are), the other in 100 ms, and gets
# some share of the requests. Each reports its own p99. The dashboard shows the mean, weighted by traffic.

# %%
quick = [1000 * one.duration for one in show.outcomes_of(LogNormal(0.01, 1), rate=500, seconds=24)]
slower = [1000 * one.duration for one in show.outcomes_of(LogNormal(0.1, 1), rate=500, seconds=12, seed=2)]
both = show.lognormal(10, 1), show.lognormal(100, 1)

# %%
figure, pairs = show.averages_beside_truth(
    quick, slower, both, "A slow server with a tenth of the traffic: the p99 is 1.8 times the averaged one"
)
figure

# %%
truth, averaged = pairs[0.1]
assert round(truth / averaged, 1) == 1.8
assert all(found > 1.1 * mean for share, (found, mean) in pairs.items() if 0 < share < 1)

# %% [markdown]
# **How to read it.** Dots are the p99 of all requests together, for several shares; the grey line is theory. The dashed
# line is the weighted mean. They meet only where one server has all the traffic. (The unweighted mean would be 563 ms
# for every share: also wrong.)
#
# With a tenth of the requests slow, the slowest hundredth of all is the slowest *tenth* of the slow server's: not its
# p99, but its p90. The same holds for two minutes, two zones, two gateways. What can be added are **counts**:
# histograms with the same buckets, which is what this gateway's `/metrics` has.

# %%
p90_of_the_slow = show.quantile(both[1], 0.90)
assert math.isclose(truth, p90_of_the_slow, rel_tol=0.05)
assert round(sum(show.quantile(one, 0.99) for one in both) / 2) == 563

# %% [markdown]
# *And how many requests does a percentile need?* Cut the quick server's run in pieces, and ask each piece for the
# p99.9.

# %%
figure, bands = show.sample_sizes(
    quick, both[0], 0.999, "A p99.9 of 1,000 requests may say 127 or 328 ms, where 220 is true"
)
figure

# %%
assert [round(end) for end in bands[1000]] == [127, 328] and round(show.quantile(both[0], 0.999)) == 220
assert all(high / low > 2.5 for size, (low, high) in bands.items() if size <= 1000)
low, high = bands[100_000]
assert (high - low) / 220 < 0.12

# %% [markdown]
# **How to read it.** A dot is what one piece says, grey is where theory has 95 of 100 pieces. Below 1,000 requests the
# "p99.9" is just the slowest one, and of 100 requests that is mostly too low. At 10,000, ten requests are beyond it,
# and it is known to a fifth; at 100,000, to 6 %.
#
# > **In an interview:** "Percentiles do not average, not over servers and not over time. I add histograms and take the
# > percentile last. And I want a hundred requests *beyond* it: 10,000 for a p99, 100,000 for a p99.9."

# %% [markdown]
# ## 6. Why 80 % is not 80 %
#
# "The workers are busy 80 % of the time, so there is a fifth in reserve." How long does a request take then?

# %%
runs = {1: (0.5, 0.7, 0.8, 0.9), 4: (0.5, 0.8, 0.9), 16: (0.5, 0.8, 0.9)}
times = {workers: {load: [show.mean_time(workers, load, requests=2500 if workers == 1 else 2000, seed=seed)
                          for seed in range(4 if workers == 1 else 2)] for load in loads}
         for workers, loads in runs.items()}  # fmt: skip

# %%
figure, expected = show.time_against_load(
    times, "80 % busy: five times as long for one worker, hardly longer for sixteen"
)
figure

# %%
assert round(expected[1][0.8], 6) == 5 and round(expected[1][0.9], 6) == 10 and expected[16][0.8] < 1.1
means = {load: sum(found) / len(found) for load, found in times[1].items()}
assert all(math.isclose(means[load], expected[1][load], rel_tol=0.2) for load in means)
spread = {load: max(found) / min(found) for load, found in times[1].items()}
assert spread[0.5] < 1.2 and spread[0.9] > 2

# %% [markdown]
# **How to read it.** Lines are M/M/c: T = 1 + C(c, a) / (c - a), in service times, where C is Erlang's probability to
# wait, and a the load in workers. For one worker that is 1 / (1 - ρ). Each dot is a run of some 2,000 requests.
#
# *The last tenth is the dearest.* From 70 to 80 % a request takes 1.7 service times longer, from 80 to 90 % five more.
# And with one worker the p99 is 4.6 times the mean: 23 service times at 80 %.
#
# *Share queues.* Sixteen workers behind one queue are at 80 % what one is at 9 %. Sixteen queues of one are not.
#
# *Near the edge the mean itself is a matter of luck.* At 90 % four runs of one worker differ by more than two times.
# A short test at high load says nothing.

# %%
assert round(expected[1][0.8] - expected[1][0.7], 1) == 1.7 and round(math.log(100), 1) == 4.6
assert round(math.log(100) * expected[1][0.8]) == 23
assert math.isclose(1 / (1 - 0.09), expected[16][0.8], rel_tol=0.01)

# %% [markdown]
# > **In an interview:** "Waiting goes as 1 over what is free. So I plan for 60 to 70 %, or for the loss of one of N,
# > and I alert on the queue. Utilisation averaged over a minute hides the seconds at 100 %."

# %% [markdown]
# ## 7. What the gateway itself costs
#
# In virtual time the gateway's own work takes no time. So here it is measured, on the machine that ran this, by the
# benchmarks of the project, in many short rounds of which the least counts: CPU for one request as layers are added one
# by one, and for one call to a service over a real socket, by each of the two transports. To measure again, with more
# care:
#
# ```
# python -m benchmarks pipeline
# python -m benchmarks transport
# ```

# %%
import gc
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, "..")  # the benchmarks stand beside the package, not in it
from benchmarks import pipeline, transport
from benchmarks.machine import Machine

# %%
gc.collect()
gc.freeze()  # what the sections above have left must not be looked at on this account
with ThreadPoolExecutor(1) as elsewhere:  # here an event loop is running already: the notebook's
    by_layers = elsewhere.submit(pipeline.run, Machine.detect(), requests=320, rounds=50).result()
    by_transports = elsewhere.submit(transport.run, Machine.detect(), seconds=0.4, rounds=2).result()
layers = by_layers.figures["cpu_microseconds"]
transports = {name: 1e6 * one["cpu_per_request"] for name, one in by_transports.figures.items()}

# %%
figure, cost = show.layers_and_transports(
    layers, transports, "All layers together cost about as much as one call by the fast transport"
)
figure

# %%
assert 0.2 < cost["all layers"] / cost["a call by http1"] < 3
assert cost["a call by httpx"] > 4 * cost["a call by http1"]
assert cost["all layers"] < 1000  # microseconds: under a millisecond, on any machine

# %% [markdown]
# **How to read it.** Left, each layer begins where the one before it ends. (The service is a function that answers at
# once, and not counted.) Right, all of them beside one call to a service, on a scale of powers of ten.
#
# `http1` is this project's own transport, a protocol on a parser written in C. `httpx` is the general client: HTTP/2,
# proxies, one screen of code, and many times the CPU. *If a gateway in Python is slow, look at its client first.*
#
# > **In an interview:** "A layer costs microseconds, a queue costs milliseconds. I do not remove middleware to win
# > latency. I look for the client library, and for what waits."

# %% [markdown]
# ## 8. All in one table

# %%
rows = [("a request's time in which somebody works on its answer", f"{answer / trace.outcome.duration / 1000:.0%}"),
        ("seven calls at once instead of in turn", f"{in_turn:.1f} s -> {at_once:.1f} s"),
        ("the slowest of seven, beside the average", f"{show.slowest_of_exponentials(7):.1f} times"),
        ("p99 of a minute with a pause, closed and open loop", f"{1000 * reported:.0f} ms, {felt:.1f} s"),
        ("pages of 100 calls that meet the slowest 1 %", f"{show.meets_a_slow_one(100):.1%}"),
        ("p99.9, hedged", f"{before[0.999]:.0f} ms -> {after[0.999]:.0f} ms for {more:.0%} more calls"),
        ("p99 of two servers, averaged and true", f"{averaged:.0f} ms, {truth:.0f} ms"),
        ("one worker, 80 % and 90 % busy", "5 and 10 service times")]  # fmt: skip
Table(["", "found"], rows)

# %%
assert rows[0][1] == "19%" and rows[5][1] == "887 ms -> 30 ms for 5% more calls"

# %% [markdown]
# *Where do the milliseconds go?* Into queues, and into waiting for the slowest. *Is your p99 honest?* If it was
# measured by a clock and not by answers, counted over all requests and not averaged, and made of enough of them.
#
# ## Exercises
#
# 1. Hedge at the p50 and at the p99 in section 4. What does each cost, and what does it win? Predict it from S(t).
# 2. Give the closed loop of section 3 a hundred users who think for 2 s. Does it still lie? Why less?
# 3. In section 1, `traced_request(at=..., others=..., seed=...)` picks other moments. Find one where a single layer
#    takes more than half, and say what you would change.
