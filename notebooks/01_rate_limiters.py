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
# # Same limit, same traffic: who gets in?
#
# Four sentences about rate limiters that everybody learns:
#
# 1. *Token bucket* allows bursts, refills at a rate.
# 2. *Leaky bucket* has a constant rate, smooths bursts.
# 3. *Fixed window* is simple, but allows a burst at window boundaries.
# 4. *Sliding window* is more accurate, needs more memory.
#
# Each is half of the truth. Here the same traffic goes to every limiter of the package. We look at who gets in, let
# an adversary find the worst, count the mistakes, and weigh the memory.
#
# No limiter is written anew: all are the classes that the gateway runs. Time is a number that we hand them, so
# minutes of traffic take no time, and come out the same on every machine.

# %%
import random
import subprocess
import sys
from time import monotonic_ns, process_time_ns

from api_gateway.plotting import rate_limiters as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table
from api_gateway.rate_limiting import GCRA, Concurrency, Quota, SlidingWindowCounter

# %% [markdown]
# ## The words
#
# A limit is **N requests per period P**. One request is worth **T = P / N** of time. A **burst b** is how many may
# come at once. Here N = 10, P = 1 s, b = 10, so T = 100 ms.
#
# A limiter answers one question, *may this key do that now?*, and all of them answer it in the same form.

# %%
limiter = GCRA(limit=10, period=1, burst=10)
first = limiter.acquire("alice", now=0)
first

# %% [markdown]
# Nine are left, and all ten will be there again in 100 ms: durations are nanoseconds. Alice spends the nine, and asks
# once more.

# %%
assert first.remaining == 9 and first.reset_after == 100_000_000
for _ in range(9):
    limiter.acquire("alice", now=0)
refused = limiter.acquire("alice", now=0)
refused

# %% [markdown]
# The refusal names the time to come back, and means it: one nanosecond earlier is too early. Bob has a key of his
# own, and feels nothing of all that.

# %%
assert refused.retry_after == 100_000_000
assert not limiter.acquire("alice", now=99_999_999).allowed
assert limiter.acquire("alice", now=100_000_000).allowed
assert limiter.acquire("bob", now=0).remaining == 9

# %% [markdown]
# > **In an interview:** "A rate limiter is a function: state and time in, decision out. I keep clock, lock and
# > storage out of it. Then I can test it to the nanosecond, and run the same rule in memory or in Redis."

# %% [markdown]
# ## 1. Seven limiters, one client
#
# Our client has three moods. First it is **steady**, at 8 a second, under the limit. Then it sends a **burst** of 24,
# half of it before a full second and half after. At last it asks **30 times a second**, three times what it may.

# %%
traffic = show.merged(show.steady(8, 0, 1), show.burst(24, at=1.8, within=0.4), show.steady(30, 3, 5))
make = show.in_step(limit=10, period=1, burst=10)
limiters = {name: make[name]() for name in make}
replays = {name: show.replay(limiters[name], traffic) for name in make}

# %% [markdown]
# Before you look: who lets most of the burst through? Who gives a client that asks too often a little all the time,
# and who gives it much and then nothing? Which rows will be the same?

# %%
figure, admitted = show.admission_raster(
    replays,
    "One limit, seven names, four answers: from 37 to 49 of the same 92 requests get in",
    notes={0: "steady, 8/s", 1.8: "a burst of 24", 3: "too much, 30/s"},
)
figure

# %%
answers = {tuple(replay.verdicts) for replay in replays.values()}
assert len(traffic) == 92 and len(replays) == 7 and len(answers) == 4
assert min(admitted.values()) == 37 and max(admitted.values()) == 49

# %% [markdown]
# **How to read it.** Time goes to the right. A tall blue mark is a request that went on to the service, a short
# orange one was refused. The light lines are full seconds, where aligned windows begin.
#
# *The steady client is nobody's problem.* All rows begin alike.

# %%
assert all(replay.verdicts[:8] == [True] * 8 for replay in replays.values())

# %% [markdown]
# *The fixed window lets 20 of the burst through, within 0.4 s.* Ten belong to one second, ten to the next. The log
# looks back over a whole second from each request, and lets ten through.

# %%
in_the_burst = {name: show.most_within(replay.left, 0.4) for name, replay in replays.items()}
assert in_the_burst["fixed_window"] == 20
assert in_the_burst["sliding_window_log"] == 10

# %% [markdown]
# *Token bucket, leaky bucket and GCRA are one algorithm.* One counts what is left, one what was poured in, one keeps
# a time. They never disagree. Who asks for the difference asks about the wording.

# %%
assert replays["token_bucket"].verdicts == replays["leaky_bucket"].verdicts == replays["gcra"].verdicts

# %% [markdown]
# *But "leaky bucket" is two things:* that meter, and a queue. The queue takes in whom GCRA takes in, and lets them go
# one every 100 ms. It alone smooths bursts. The price is waiting, up to 0.9 s here, with a connection held open
# meanwhile.

# %%
queue = replays["leaky_bucket_queue"]
assert queue.verdicts == replays["gcra"].verdicts
assert min(after - before for before, after in zip(queue.left, queue.left[1:], strict=False)) == 100_000_000
assert max(decision.wait for decision in queue.decisions) == 900_000_000

# %% [markdown]
# *Windows call the impatient back together.* Every refusal says when to return. The fixed window sends all those that
# it refuses to one of four moments, each a full second; a thousand clients would come back as a herd. GCRA names a
# new moment every 100 ms.

# %%
returns = {name: set(replay.told_to_return) for name, replay in replays.items()}
assert returns["fixed_window"] == {2_000_000_000, 3_000_000_000, 4_000_000_000, 5_000_000_000}
assert len(returns["gcra"]) > 4 * len(returns["fixed_window"])


# %% [markdown]
# **Try it.** Move the burst away from the full second, and the fixed window behaves. Shrink the bucket, and it
# refuses most of a burst that a window still admits. (Where nobody can move sliders, you see one such picture.)


# %%
def burst_at(at: float, bucket: int) -> Picture:
    arrivals = show.burst(24, at=at, within=0.4)
    again = {name: show.replay(make(), arrivals) for name, make in show.in_step(10, 1, bucket).items()}
    return show.admission_raster(again, f"24 requests from {at} s on, and a bucket of {bucket}")[0]


explore(burst_at, at=Knob(1.3, 1.0, 2.0, 0.1), bucket=Knob(3, 1, 20))

# %%
again = {name: show.replay(one(), show.burst(24, at=1.3, within=0.4)) for name, one in show.in_step(10, 1, 3).items()}
assert {len(again[name].admitted) for name in ("fixed_window", "sliding_window_log", "sliding_window_counter")} == {10}
assert len(again["gcra"].admitted) == 6

# %% [markdown]
# > **In an interview:** "Token bucket, leaky bucket as a meter and GCRA decide alike; I take GCRA, because it keeps
# > one number. A leaky bucket as a queue delays instead of refusing. Fixed windows double at the boundary, and call
# > everybody back at the same moment."

# %% [markdown]
# ## 2. The line
#
# What may a service behind the limit rely on? A bucket promises a line: in any stretch of t seconds no more than
# `rate * t + burst`. Now the client floods: 200 a second, beginning 50 ms before a full second. The dashed line is
# laid where the flood begins.

# %%
flood = show.steady(200, 0.95, 4.45)
five = ("fixed_window", "sliding_window_log", "sliding_window_counter", "gcra", "leaky_bucket_queue")
flooded = {name: show.replay(make[name](), flood) for name in five}

# %%
passed = {name: replay.left for name, replay in flooded.items()}
figure, above = show.cumulative_admissions(
    passed, flood, Quota.of(10, 1, 10), "Only the fixed window breaks the line rate × t + burst"
)
figure

# %%
assert [name for name, requests in above.items() if requests > 0] == ["fixed_window"]
assert round(above["fixed_window"], 2) == 9.05

# %% [markdown]
# **How to read it.** Each step up is a request that got through. GCRA climbs to the line and then walks along it, one
# request every 100 ms: a bucket *is* this line. The log stays under it too, in stairs of ten. The fixed window's
# second stair comes at once, 9 requests above the line, nearly a whole burst.
#
# Two stay below. The counter gets through nine in a second of flood, not ten, because the tenth never fits before its
# window ends. The queue keeps the rate, and nothing of the burst.

# %%
assert above["gcra"] == 0  # touches the line, and never crosses it
assert sum(2_000_000_000 <= now < 3_000_000_000 for now in passed["sliding_window_counter"]) == 9
assert show.most_within(flooded["leaky_bucket_queue"].left, 1) == 10

# %% [markdown]
# > **In an interview:** "A token bucket's promise is rate times t plus burst, over any stretch of time. So rate and
# > burst are two decisions: what the service stands for long, and what it stands at once."

# %% [markdown]
# ## 3. The adversary
#
# One flood is an anecdote. What is the *worst* that a client can do, who knows the code, the clock and the state? Let
# a program find out. At each of 59 moments, half of them a nanosecond before a boundary, it is silent, or floods
# until it is refused. It tries **every** such pattern. That is 2⁵⁹ of them, but those that lead to the same state
# need to be followed only once.
#
# For each length of window it keeps the most that it got through the real class, anywhere. Beside it stands what can
# be *proven* that nobody exceeds. (Both are in `plotting/rate_limiters/adversary.py`.)

# %%
assert len(show.Adversary(make["gcra"]()).moments) == 59

# %% [markdown]
# Before you look: "the sliding window counter fixes the boundary burst". Does it?

# %%
figure, worst = show.worst_window_curves(
    {name: make[name]() for name in five},
    "“10 a second” lets a clever client have 20, 10, 19, 19 or 10 within one second",
)
figure

# %%
assert [worst[name][-1].found for name in five] == [20, 10, 19, 19, 10]
assert all(length.found == length.proven for curve in worst.values() for length in curve)

# %% [markdown]
# **How to read it.** To the right the window grows, from an instant to a whole period. Dots are what the adversary
# got, the grey band is what is proven. Every dot lies on its band: the search cannot get better, nor can the proof.
#
# *The counter's secret.* In an instant it admits 10, where the fixed window admits 20. So far the saying is true. In
# a whole second it admits 19, as a bucket does, and at every length in between the same: ten late in one window, then
# one for each tenth of the next.

# %%
counter, bucket = worst["sliding_window_counter"], worst["gcra"]
assert counter[0].found == 10 and worst["fixed_window"][0].found == 20
assert [length.found for length in counter] == [length.found for length in bucket]

# %% [markdown]
# *Who wants 10 in any second, and a bucket?* The bound is `b + W / T - 1`, so give the bucket less: 5 a second, and 5
# at once. The adversary gets 9.

# %%
strict = GCRA(limit=5, period=1, burst=5)
_, halved = show.worst_window_curves({"gcra": strict}, "a strict bucket")
assert halved["gcra"][-1].found == halved["gcra"][-1].proven == 9

# %% [markdown]
# > **In an interview:** "A limit of N per period means N in *any* period only with a log or a queue. A bucket with
# > burst N, or a sliding counter, lets through up to 2N - 1, a fixed window 2N, and that in an instant. If the bound
# > must hold, I give the bucket half the rate and half the burst, or pay for the log."

# %% [markdown]
# ## 4. Mistakes
#
# Real clients are not adversaries. Take many independent ones (a Poisson process) and hold each decision against the
# promise *at most 10 in any second*. There are two mistakes:
#
# - a **false refusal**: fewer than 10 went through in the last second, and still the request is refused;
# - an **over-admission**: 10 went through already, and still it is admitted.
#
# The exact log makes neither. Who makes which? The fifth limiter is the strict bucket of the last section.

# %%
loads = [0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6]
judged = {name: make[name] for name in five[:3]}
judged |= {"gcra, 10/s": make["gcra"], "gcra, 5/s": lambda: GCRA(5, 1, 5)}
found = show.judgements(judged, limit=10, period=1, loads=loads, periods=600)

# %%
figure, most = show.mistakes_against_load(found, loads, "Cheaper than the log: refuse too much, or admit too much")
figure

# %%
assert most["sliding_window_log"] == (0, 0)
assert all(max(mistakes) > 0.2 for name, mistakes in most.items() if name != "sliding_window_log")
assert [name for name, (false, over) in most.items() if false and over] == ["sliding_window_counter"]

# %% [markdown]
# **How to read it.** Left and right are shares of all requests. At load 1 the clients ask, on average, for exactly
# the limit.
#
# - *Fixed window and bucket never refuse falsely.* They err on the side of the client.
# - *The strict bucket never admits too much*, and pays: at 80 % load it turns away every third request without need.
# - *The counter does both*, 8 % and 4 % at 80 % load. Its guess is a compromise.
#
# A bucket's "over-admissions" are no defect. It promises the line of section 2, which is another promise.

# %%
at_80 = {name: results[loads.index(0.8)] for name, results in found.items()}
assert all(result.false_refusals == 0 for name in ("fixed_window", "gcra, 10/s") for result in found[name])
assert all(result.over_admissions == 0 for result in found["gcra, 5/s"]) and at_80["gcra, 5/s"].false_share > 1 / 3
guess = at_80["sliding_window_counter"]
assert 0.07 < guess.false_share < 0.09 and 0.03 < guess.over_share < 0.05

# %% [markdown]
# *Then why does everybody use the counter?* Because a limit is seldom 10. The same load, of more and smaller
# requests, is smoother, and the guess gets better. Cloudflare, with much traffic, counted 0.003 % wrong decisions.

# %%
by_limit = {n: show.judge(SlidingWindowCounter(n, 1), show.poisson(0.8 * n, 6000 / n, random.Random(1)), n, 1)
            for n in (10, 100, 1000)}  # fmt: skip
rows = [(f"{n} a second", f"{one.false_share:.2%}", f"{one.over_share:.2%}") for n, one in by_limit.items()]
Table(["counter, at 80 % load", "refused falsely", "admitted too much"], rows)

# %%
wrong = [one.false_share + one.over_share for one in by_limit.values()]
assert wrong[0] > 0.1 and 0 < wrong[1] < 0.02 and wrong[2] == 0

# %% [markdown]
# > **In an interview:** "The sliding window counter guesses that the last window's requests came evenly. For limits
# > of hundreds that is as good as exact. For ten a second it is wrong for every eighth request: then I take a log,
# > which is small for small limits anyway."

# %% [markdown]
# ## 5. What it costs
#
# A gateway decides for each request and remembers each client. Beside ours stand the libraries that Python programs
# use: `limits`, `throttled-py`, `pyrate-limiter`. Time is CPU time of one decision with the clock's reading in it,
# the least of many rounds. Memory is what a fresh process grows by for each of 20,000 keys. The numbers are of the
# machine that ran this; `make bench` measures with more care.

# %%
ours = ["fixed_window", "sliding_window_log", "sliding_window_counter", "token_bucket", "gcra"]
theirs = ["limits fixed_window", "limits sliding_window_log", "throttled token_bucket", "throttled gcra", "pyrate gcra"]
sys.path.insert(0, "..")  # the benchmarks stand beside the package, not in it
from benchmarks.rate_limiters import CONTENDERS


# %%
def nanoseconds(name: str, decisions: int = 500) -> float:
    acquire, rounds = CONTENDERS[name](), []
    for _ in range(30):
        started = process_time_ns()
        for _ in range(decisions):
            acquire("192.0.2.7", monotonic_ns())
        rounds.append((process_time_ns() - started) / decisions)
    return min(rounds)


# %%
def bytes_per_key(name: str, keys: int = 20_000, hits: int = 1) -> float:
    command = [sys.executable, "-m", "benchmarks.rate_limiters", "bytes", name, str(keys), str(hits)]
    return float(subprocess.check_output(command, cwd=".."))


costs = {name: show.Cost(nanoseconds(name), bytes_per_key(name), name in ours) for name in ours + theirs}

# %%
figure, extremes = show.costs_beside_peers(
    costs, "The dearest of ours costs less than the cheapest of theirs, in time and in memory"
)
figure

# %%
assert 2 * extremes["ours_slowest"] < extremes["peers_fastest"]
assert extremes["ours_largest"] < extremes["peers_smallest"]

# %% [markdown]
# **How to read it.** Both scales are logarithmic. Filled dots are ours, hollow ones are the others'.
#
# *"Sliding window needs more memory" is true of the log alone.* After one request it is small. After a hundred it
# keeps a hundred stamps, and GCRA still one number. (Expired stamps are cleared in bulk, so there may be twice N.)

# %%
log, gcra = bytes_per_key("sliding_window_log", 1_000, 100), bytes_per_key("gcra", 20_000)
assert log > 5 * gcra and gcra < 100
assert [show.numbers_kept(limiters[name]) for name in five] == [2, 20, 3, 1, 1]

# %% [markdown]
# > **In an interview:** "GCRA is one number a key: some 70 bytes in Python with its dictionary entry, so a million
# > clients are 70 MB. A log of 10,000 an hour is 80 kB a client, so a million are 80 GB."

# %%
assert 50 * 1e6 < gcra * 1_000_000 < 100 * 1e6
assert 10_000 * 8 * 1_000_000 == 80 * 10**9  # stamps of 8 bytes

# %% [markdown]
# ## 6. The limit that no rate can replace
#
# All of the above count requests per time. None notices that the service has become slow. Here 20 requests a second
# meet a limit of 10 a second, or a limit of 5 at once. The service takes 0.2 s for each, and 2 s while something is
# wrong.

# %%
arrivals = show.steady(20, 0, 20)
service = {
    "10 a second": show.serve(GCRA(10, 1, 1), arrivals, lambda second: 2.0 if 5 <= second < 12 else 0.2),
    "5 at once": show.serve(Concurrency(5), arrivals, lambda second: 2.0 if 5 <= second < 12 else 0.2),
}

# %%
figure, most = show.in_flight_over_time(
    service, (5, 12), "When the service slows down, work piles up behind a rate limit, not behind a concurrency limit"
)
figure

# %%
assert most == {"10 a second": 20, "5 at once": 5}

# %% [markdown]
# **How to read it.** In the grey time each request takes 2 s. Little's law says what follows: *in flight = rate ×
# time of service*. With the rate held at 10/s, 2 become 20. With 5 in flight held, the rate falls by itself to 5 / 2
# s = 2.5 a second.

# %%
assert service["10 a second"].in_flight(4_500_000_000) == 10 * 0.2
assert service["10 a second"].in_flight(11_000_000_000) == 10 * 2.0
assert 2.4 < service["5 at once"].rate(6, 12) < 2.6

# %% [markdown]
# > **In an interview:** "A rate limit is a promise to clients; a concurrency limit protects the service. I use both:
# > the rate per client at the edge, the concurrency per service just before it."

# %% [markdown]
# ## 7. Which one, when
#
# What we found, in one table. Every number is from the cells above.

# %%
load = loads.index(0.8)
names = {"fixed_window": "fixed_window", "sliding_window_log": "sliding_window_log",
         "sliding_window_counter": "sliding_window_counter", "gcra": "gcra, 10/s"}  # fmt: skip
rows = [(name, str(worst[name][0].found), str(worst[name][-1].found), f"{found[judged][load].false_share:.0%}",
         f"{found[judged][load].over_share:.0%}", str(show.numbers_kept(limiters[name])))
        for name, judged in names.items()]  # fmt: skip
Table(["10 a second", "worst instant", "worst second", "false refusals", "over-admissions", "numbers kept"], rows)

# %% [markdown]
# | take | when |
# |---|---|
# | `gcra` | by default: one number, bursts as large as you say. `token_bucket` decides alike |
# | `sliding_window_log` | "N in any period" is a contract, and N is small: logins, payments, one-time codes |
# | `sliding_window_counter` | quotas of hundreds or more, told to people as "N per minute" |
# | `fixed_window` | billing and daily quotas, where the window's boundary is part of the contract |
# | `leaky_bucket_queue` | the service behind suffers from bursts more than clients from waiting |
# | `concurrency` | always, before a service that can become slow |
#
# And the four sentences?
#
# 1. *Token bucket allows bursts*: exactly b of them, and then the rate; in a period up to 2N - 1.
# 2. *Leaky bucket smooths bursts*: as a queue. As a meter it is the token bucket.
# 3. *Fixed window allows a burst at the boundary*: 2N in an instant.
# 4. *Sliding window is more accurate and needs more memory*: the log. The counter needs three numbers, and is
#    accurate where N is large.

# %%
assert rows[0][1:3] == ("20", "20") and rows[1][1:3] == ("10", "10")
assert rows[2][2] == rows[3][2] == "19"
assert [int(row[-1]) for row in rows] == [2, 20, 3, 1]

# %% [markdown]
# ## Exercises
#
# 1. A request may cost more than 1. Give `acquire` a `cost` of 3 and predict `remaining` and `retry_after` before you
#    look.
# 2. What does the adversary get from two fixed windows at once, 10 a second **and** 60 a minute?
#    (`rate_limiting/all_or_nothing.py` charges both or none.)
# 3. Write a limiter of your own with a `decide` method and let the adversary loose on it
#    (`plotting/rate_limiters/adversary.py`). Whose bound does it reach?
