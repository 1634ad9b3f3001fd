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
# # Does the choice matter when one backend is slow?
#
# A service runs on ten servers, and for each request somebody has to pick one. Everybody knows *round robin*, and for
# ten equal servers and equal requests it is fine. Then one disk fails, one neighbour gets noisy, one garbage collector
# stops the world, and a single server is ten times slower.
#
# Here seven policies meet the same traffic and the same fault. All are the classes that the gateway runs, in a whole
# gateway, before simulated servers. The event loop never waits (**virtual time**), so a minute takes a part of a
# second and each run is the same. Where queueing theory has a formula, it stands beside.

# %%
import math
import random
from time import process_time_ns

from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer, by_path
from api_gateway.plotting import load_balancing as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table
from api_gateway.simulation import Fault

# %% [markdown]
# ## The words
#
# A **server** works on one request at a time, and the others wait in its queue. A **service time** is what one request
# takes when nobody waits. **Load** is the share of the time that servers are busy. **In flight** is what a server has,
# at work or waiting.
#
# A **load balancer** is given the servers that may be used and a request, and picks one. It differs from another only
# in what it *looks at*:
#
# | policy | looks at |
# |---|---|
# | `random` | nothing |
# | `round_robin` | whose turn it is |
# | `weighted_round_robin` | whose turn it is, by weights that somebody wrote down |
# | `power_of_two_choices` | what two servers, drawn at random, have in flight |
# | `least_connections` | what all servers have in flight |
# | `peak_ewma` | how long two servers took of late, and what they have in flight |
# | `consistent_hash` | a key of the request, and then whether that server has room |

# %%
POLICIES, Server = show.POLICIES, show.Server
assert len(POLICIES) == 7

# %% [markdown]
# ## 1. All servers alike
#
# First nothing is wrong. Thirty servers, 80 % load, requests come independently of each other, service times vary
# (exponentially, 1 s on average). Without weights `weighted_round_robin` *is* round robin, so six policies are left.
#
# Before you look: the servers could do a quarter more than they get. How long does a request take, if it needs 1 s?

# %%
load, servers, warm = 0.8, 30, 40
alike = [Server()] * servers
six = [name for name in POLICIES if name != "weighted_round_robin"]
calm = {name: show.trial(POLICIES[name], alike, load * servers, seconds=220) for name in six}

# %%
bound = show.single_queue(load, servers)
theory = {"random": show.one_choice(load), "round_robin": show.taking_turns(load, servers),
          "power_of_two_choices": show.least_of(2, load)}  # fmt: skip
figure, found = show.beside_theory(
    calm, theory, bound, warm, "One look more, and a random choice takes half the time and a third of the tail"
)
figure

# %%
one, two = found["random"], found["power_of_two_choices"]
assert 2 < one.mean / two.mean < 2.8 and 2.6 < one.p99 / two.p99 < 3.4
assert next(iter(found)) == "least_connections" and found["least_connections"].mean < 1.1 * bound.mean
assert all(math.isclose(found[name].mean, theory[name].mean, rel_tol=0.1) for name in theory)

# %% [markdown]
# **How to read it.** Dots are simulated, grey strokes are theory. The grey band is one queue for all thirty servers,
# where nobody waits while a server is idle: no balancer's mean is lower. (Theory means infinitely long, and these are
# three minutes: another seed moves `random` by a tenth. The tests take longer runs.)
#
# *Random* is thirty queues that know nothing of each other: 1 / (1 - 0.8) = 5 service times. *Round robin* is better,
# because each server meets its requests at more even times. But it does not see who got the long ones.
# *Two choices* need one look more than random. *Least connections* looks at all, and is nearly one queue.
#
# At higher loads the gap grows. This is theory alone:

# %%
rows = [(f"{rho:.0%}", f"{show.one_choice(rho).mean:.1f}", f"{show.taking_turns(rho, 100).mean:.1f}",
         f"{show.least_of(2, rho).mean:.1f}", f"{show.single_queue(rho, 100).mean:.2f}")
        for rho in (0.5, 0.8, 0.9, 0.95, 0.99)]  # fmt: skip
Table(["load, 100 servers", "random", "round robin", "two choices", "one queue"], rows)

# %%
assert rows[2] == ("90%", "10.0", "5.2", "2.6", "1.02")
assert show.one_choice(0.99).mean > 18 * show.least_of(2, 0.99).mean

# %% [markdown]
# > **In an interview:** "With random choice each server is its own M/M/1, and time goes as 1 / (1 - load). Two choices
# > turn that into a logarithm of it: at 90 % load 2.6 service times instead of 10."

# %% [markdown]
# ## 2. One becomes slow
#
# Ten servers, 0.1 s a request, 60 requests a second: 60 % load. At 20 s the third becomes **ten times slower**, at
# 50 s it is well again. The other nine could carry everything.
#
# Before you look: who notices? And when the fault is over at 50 s, is the trouble over too?

# %%
slow = (20, 50)
fault = Fault("slow", *slow, factor=10)
ten = [Server(0.1, faults=[fault] if number == 2 else []) for number in range(10)]
ill = {name: show.trial(POLICIES[name], ten, rate=60, seconds=100, every=0.5) for name in six}

# %%
figure, noticed = show.load_strips(
    ill, 2, slow, "Who does not look buries the slow server; 40 s after its fault it is still busy"
)
figure

# %%
blind, seeing = {"random", "round_robin"}, set(six) - {"random", "round_robin"}
assert all(noticed[name].most > 150 and noticed[name].back > 40 for name in blind)
assert all(noticed[name].most <= 5 and noticed[name].back == 0 for name in seeing)

# %% [markdown]
# **How to read it.** Each policy has ten lines, one for each server; the darker, the more it has in flight. Between the
# dashed strokes the third is slow.
#
# *Round robin is fair, and that is the trouble.* The slow server does one request a second, and gets six. In 30 s it
# falls behind by 5 × 30 = 150. Then it is well, does ten a second, still gets six, and needs 150 / 4 = 37 s more. The
# trigger is gone, and the service is still ill.

# %%
behind = (6 - 1) * 30
assert abs(ill["round_robin"].load(2, 50) - behind) <= 10
assert noticed["round_robin"].share == max(one.share for one in noticed.values()) and behind / (10 - 6) == 37.5

# %% [markdown]
# *Whoever counts what is in flight notices by itself.* Nobody measures, no threshold is crossed. Requests stay at the
# slow server, so it looks busy, so it gets fewer: as many as it finishes, plus the few that wait there.
#
# How fast? Here is how many of about 120 requests went there in the first two seconds, and what share it gets at the
# end, when it is well.

# %%
start, end = slow
rows = [(name, str(round(one.share_to(2, start, start + 2) * len(one.durations(start, start + 2)))),
         f"{noticed[name].share:.1%}", f"{one.share_to(2, end, end + 5):.0%}", f"{one.share_to(2, 60, 100):.0%}")
        for name, one in ill.items()]  # fmt: skip
Table(["policy", "first 2 s", "while slow", "5 s after", "from 10 s after"], rows)

# %%
first = {row[0]: int(row[1]) for row in rows}
assert max(first[name] for name in seeing) < min(first[name] for name in blind)
assert all(one.share_to(2, 60, 100) > 0.08 for one in ill.values())  # everybody lets it back in

# %% [markdown]
# `peak_ewma` sends least to a slow server, because it remembers how long that took. For the same reason it is slow to
# trust it again: the memory of a peak fades over 10 s.

# %%
assert noticed["peak_ewma"].share == min(one.share for one in noticed.values())
assert ill["peak_ewma"].share_to(2, 50, 55) < ill["least_connections"].share_to(2, 50, 55)


# %% [markdown]
# **Try it.** How slow must it be for round robin to drown? At 60 % load, more than 1 / 0.6 = 1.7 times. (Where nobody
# can move sliders, you see three times slower.)


# %%
def slower_by(factor: float, load: float) -> Picture:
    faulty = [Server(0.1, faults=[Fault("slow", *slow, factor=factor)] if n == 2 else []) for n in range(10)]
    pair = ("round_robin", "power_of_two_choices")
    again = {name: show.trial(POLICIES[name], faulty, 100 * load, seconds=70, every=0.5) for name in pair}
    return show.load_strips(again, 2, slow, f"{factor:g} times slower, at {load:.0%} load")[0]


explore(slower_by, factor=Knob(3, 1.5, 20, 0.5), load=Knob(0.6, 0.2, 0.85, 0.05))

# %%
grows_from = 1 / 0.6
assert 1.6 < grows_from < 1.7

# %% [markdown]
# > **In an interview:** "Round robin gives equal shares, so a slow server's queue grows until something breaks, and it
# > outlives the fault. Least connections and two choices are a feedback loop: what is slow stays busy, and what is
# > busy gets less. No health check is as fast."

# %% [markdown]
# ## 3. What the clients feel
#
# The same run, seen by those who asked while the server was slow. The median hides it all.

# %%
figure, percentiles = show.latency_percentiles(
    {name: ill[name].durations(*slow) for name in six[1:]},
    "One slow server of ten: one request in eleven waits over 10 s, or none does",
    highlighted=six[2:],
)
figure

# %%
over = {name: sum(seconds > 10 for seconds in one.durations(*slow)) for name, one in ill.items()}
asked = len(ill["round_robin"].durations(*slow))
assert 10.5 < asked / over["round_robin"] < 11.5
assert all(over[name] == 0 for name in seeing)
assert all(one[0.5] < 0.13 for one in percentiles.values())

# %% [markdown]
# **How to read it.** To the right are ever rarer requests, upwards it is ever slower, both on scales of powers of ten.
# Up to 85 % the lines are close together. Then round robin goes up a wall, because a tenth of everything goes to one
# server, and *which* tenth is nobody's choice. A page that needs ten such requests meets the slow server in two
# cases of three.

# %%
share = noticed["round_robin"].share
assert 0.6 < 1 - (1 - share) ** 10 < 0.7
assert percentiles["round_robin"][0.95] > 20 > 40 * max(percentiles[name][0.95] for name in seeing) / 1.1

# %% [markdown]
# > **In an interview:** "One slow server of N is not a 1/N problem. It is the p99 of everybody, and with fan-out it is
# > the median."

# %% [markdown]
# ## 4. Why two?
#
# Two random looks, and the less busy one. Why is that nearly as good as looking at all?
#
# Throw 100,000 balls into 100,000 bins, each into the emptiest of *d* bins that are drawn. Here a ball is a request
# that never ends, and a bin is an `Endpoint`. Then the same with queues, from section 1. (The gateway has no policy
# with three draws; `LeastOf` is made for this picture.)

# %%
draws = {1: POLICIES["random"], 2: POLICIES["power_of_two_choices"], 3: lambda _, chance: show.LeastOf(3, chance)}
bins = {d: show.balls_in_bins(draws[d](None, random.Random(2)), 100_000) for d in draws}
three = show.trial(draws[3], alike, load * servers, seconds=220)
lengths = {1: show.queues(calm["random"], warm), 2: show.queues(calm["power_of_two_choices"], warm),
           3: show.queues(three, warm)}  # fmt: skip

# %%
figure, fullest = show.power_of_choices(bins, lengths, load, "The second draw ends long queues; a third adds little")
figure

# %%
assert fullest[1] in (7, 8, 9) and fullest[2] in (3, 4) and fullest[3] == 3
gains = [show.one_choice(load).mean - show.least_of(2, load).mean, show.least_of(2, load).mean - three.mean(warm)]
assert gains[0] > 6 * gains[1]

# %% [markdown]
# **How to read it.** Dots are counted, lines are theory. With one draw each step to the right loses about a constant
# factor. With two, a bin with k balls can only come from *two* bins with k - 1: shares are **squared** at each step.
#
# | draws | share of servers with at least k | at 80 % load, k = 5 |
# |---|---|---|
# | 1 | ρᵏ | 33 % |
# | 2 | ρ to the power 2ᵏ - 1 | 0.1 % |
#
# Hence the fullest bin has about ln n / ln ln n balls with one draw, and ln ln n / ln 2 with two. The step from one to
# two is a change of the law; from two to three only the base of a logarithm changes.

# %%
assert round(show.queue_of_at_least(5, 1, load), 2) == 0.33 and round(show.queue_of_at_least(5, 2, load), 3) == 0.001
counted, expected = bins[2], show.bins_of_at_least(4, 2)
assert all(math.isclose(counted[k], 100_000 * expected[k], rel_tol=0.1) for k in (1, 2, 3))
assert math.isclose(lengths[1][5], load**5, rel_tol=0.2)

# %% [markdown]
# > **In an interview:** "Two choices, because the share of servers with long queues is squared at each step, so it
# > falls doubly exponentially. And it needs no list in order, no lock, and no look at everybody."

# %% [markdown]
# ## 5. One gateway, or many?
#
# In all of the above one gateway saw all requests. In production several stand side by side, and each counts only
# what it sent itself. Same traffic, same 20 servers, shared by 1, 4 and 16 gateways:

# %%
means = {name: {gateways: show.trial(POLICIES[name], [Server()] * 20, 16, 200, gateways=gateways).mean(40)
                for gateways in (1, 4, 16)} for name in ("least_connections", "power_of_two_choices")}  # fmt: skip
ignorant = show.trial(POLICIES["round_robin"], [Server()] * 20, 16, 200).mean(40)

# %%
figure, worse = show.knowledge_shared(
    means,
    ignorant,
    "Sixteen gateways that see a sixteenth each do worse than one that takes turns",
    highlighted="least_connections",
)
figure

# %%
assert all(by_count[16] > ignorant > by_count[4] for by_count in means.values())
assert worse["least_connections"] > 2 and worse["power_of_two_choices"] > 1.4
assert abs(means["least_connections"][16] / means["power_of_two_choices"][16] - 1) < 0.15

# %% [markdown]
# **How to read it.** With sixteen gateways each has one request in flight at most servers, or none: it looks, and there
# is nothing to see. The lead of least connections over two choices is gone, and both cost as much as knowing nothing.
#
# What helps is fewer gateways for each service, or to choose a subset of servers for each gateway, so that each sees
# enough. And a *slow* server still stands out, because requests stay there for everybody.

# %%
shared = show.trial(POLICIES["power_of_two_choices"], ten, rate=60, seconds=100, every=0.5, gateways=4)
assert max(shared.loads[2]) < 0.15 * noticed["round_robin"].most

# %% [markdown]
# > **In an interview:** "In-flight counts are local. The more balancers share a service, the less each one's counts
# > mean. That is why service meshes subset, and why two choices beat least connections for simplicity: with many
# > gateways they are equal anyway."

# %% [markdown]
# ## 6. When the difference is known: weights
#
# Two of ten servers are old, four times slower for good. That is no fault, one can write it down: weight 4 for the
# new ones, 1 for the old ones. In all they could do 8.5 requests a second, and get 60 % of that.

# %%
mixed = [Server(1.0, weight=4)] * 8 + [Server(4.0, weight=1)] * 2
old = {name: show.trial(POLICIES[name], mixed, rate=0.6 * 8.5, seconds=400) for name in POLICIES}
rows = [(name, f"{one.mean(0, 200):.1f}", f"{one.mean(200):.1f}", f"{sum(one.served[8:]) / sum(one.served):.0%}")
        for name, one in old.items()]  # fmt: skip
Table(["policy", "mean, first half", "mean, second half", "share of the old ones"], rows)

# %%
halves = {name: (one.mean(0, 200), one.mean(200)) for name, one in old.items()}
assert all(halves[name][1] > 2 * halves[name][0] > 25 for name in blind)
assert all(halves[name][1] < 3 for name in set(POLICIES) - blind)
assert min(halves, key=lambda name: halves[name][1]) == "least_connections"

# %% [markdown]
# Without weights, 60 % load is too much: an old server gets 0.51 requests a second and can do 0.25. The queue has no
# end, and the mean depends only on how long you look. With weights, plain turns are as good as two choices.
#
# But how does one take turns by weight?

# %%
assert 0.6 * 8.5 / 10 > 1 / 4
weights = {"a": 5, "b": 3, "c": 2}
smooth = show.turns_of(POLICIES["weighted_round_robin"](None, None), weights, rounds=3)
figure, runs = show.turns_in_rows(
    {"smooth, as the gateway does it": smooth, "naive": show.naive_turns(weights, 3)},
    weights,
    "Smooth weights spread the turns: two in a row at most, not five",
)
figure

# %%
assert runs == {"smooth, as the gateway does it": 2, "naive": 5}
assert show.turns_of(POLICIES["weighted_round_robin"](None, None), {"a": 5, "b": 1, "c": 1}) == "aabacaa"

# %% [markdown]
# **How to read it.** Each square is a request, each light line ends a round. The rule has three steps and one number
# for each server: *everybody's credit grows by the weight; the highest credit wins; the winner pays the sum of the
# weights.* The textbook's 5, 1, 1 gives a a b a c a a.
#
# > **In an interview:** "Weights fix a difference that I know, and none that appears tonight. Smooth weighted round
# > robin is nginx's: same shares as the naive way, without the bursts."

# %% [markdown]
# ## 7. When the server matters: consistent hash
#
# Sometimes it does matter *which* server: it has this user's cache. Then a key decides, and the question is what
# happens when servers come and go. `hash(key) % n` is even, and forgets everything when n changes. A **ring** does
# not: servers and keys are hashed to places on a circle, and a key belongs to the next server clockwise.

# %%
twenty, one_more = show.endpoints(20), show.endpoints(21)
one_less = twenty[:7] + twenty[8:]
ring, remainder = show.owners_on_the_ring, show.owners_by_remainder
changes = {"ring, one leaves": (ring(twenty, 1000), ring(one_less, 1000)),
           "ring, one comes": (ring(twenty, 1000), ring(one_more, 1000)),
           "remainder,\none leaves": (remainder(twenty, 1000), remainder(one_less, 1000))}  # fmt: skip

# %%
figure, moves = show.keys_that_move(changes, "When a server leaves the ring, its keys move and no other")
figure

# %%
before, after = changes["ring, one leaves"]
assert show.moved(before, after) == [owner == 7 for owner in before]  # needless moves: exactly 0
before, after = changes["ring, one comes"]
assert {owner for owner, moves_now in zip(after, show.moved(before, after), strict=True) if moves_now} == {20}
assert moves["ring, one leaves"] < 0.07 and moves["remainder,\none leaves"] > 0.9

# %% [markdown]
# **How to read it.** Each key is a stroke, tall and dark if it moves; keys of one server stand together. Of twenty
# servers one leaves: 1/20 of the keys move, and with the remainder 19/20. A cache that held 95 % holds 5 %.
#
# How even is the ring? With one point for each server, not at all. So each server gets many:

# %%
figure, spread = show.ring_spread(
    20, (1, 4, 16, 64, 128, 512), "A ring's shares differ by 1/√points: the gateway's 128 keep them within a fifth"
)
figure

# %%
assert all(math.isclose(deviation, 1 / math.sqrt(points), rel_tol=0.35) for points, deviation in spread.items())
assert all(abs(owned - 1) < 0.2 for owned in show.ring_shares(20, 128))
assert max(show.ring_shares(20, 1)) > 3

# %% [markdown]
# Even shares of *keys* are not even shares of *requests*. Let 30 % of all requests ask for one key, at 60 % load. One
# server cannot do that: 0.3 × 6 = 1.8 requests a second meet a server that does 1. A **bound** on loads helps: a server
# that has 1.25 times its share in flight is passed over.

# %%
keys = show.one_hot_of(1000, share=0.3)
rings = {name: lambda _clock, _chance, factor=factor: ConsistentHashLoadBalancer(by_path, load_factor=factor)
         for name, factor in {"no bound": 1e9, "bound 2.0": 2.0, "bound 1.25": 1.25}.items()}  # fmt: skip
hot = {name: show.trial(make, [Server()] * 10, 6, 400, keys=keys, every=2) for name, make in rings.items()}

# %%
figure, most = show.busiest_over_time(
    hot, "bound 1.25", "A key that everybody asks for buries its server, unless loads are bounded"
)
figure

# %%
assert most["no bound"] > 250 and most["bound 2.0"] <= 10 and most["bound 1.25"] <= 4
assert hot["no bound"].mean(50) > 30 * hot["bound 1.25"].mean(50)

# %% [markdown]
# **How to read it.** The most that any server has in flight, on a log scale. Without a bound it grows as long as the
# traffic lasts. With one the hot key is served by several neighbours on the ring, each of which has to fill its cache.
#
# The bound is also why `consistent_hash` did well in section 2: it saw that the slow server had no room.
#
# > **In an interview:** "A ring moves 1/n of the keys where the remainder moves nearly all. Virtual nodes make shares
# > even, as one over the root of their number. Bounded loads save it from hot keys."

# %% [markdown]
# ## 8. What a choice costs
#
# CPU time of a choice with its request's begin and end, the least of several rounds, on the machine that ran this.

# %%
costs = {name: {count: show.nanoseconds_of_a_choice(make, count, process_time_ns) for count in (10, 100, 1000)}
         for name, make in POLICIES.items()}  # fmt: skip

# %%
figure, growth = show.cost_of_a_choice(
    costs, ["least_connections", "weighted_round_robin"], "No choice takes much longer among a thousand than among ten"
)
figure

# %%
assert max(growth.values()) < 6
assert max(costs[name][10] for name in POLICIES) < 50_000  # nanoseconds: little beside a request over a network

# %% [markdown]
# **How to read it.** Level lines do not care how many servers there are. Two of the rules speak of *all* servers and
# are level all the same. Least connections keeps them in a heap (log n). Smooth weights, as the rule reads, add to
# everybody's credit in every turn; but a credit is the turn's number times the weight, less what was paid, so it can
# be worked out when it is needed, for one server of each weight.

# %% [markdown]
# ## 9. Which one, when
#
# All in one table, from the cells above. Times are in service times, but for the slow server, where they are seconds.

# %%
order = ["random", "round_robin", "peak_ewma", "power_of_two_choices", "consistent_hash", "least_connections"]
knows = ["nothing", "a turn", "two latencies", "two counts", "a key, room", "all counts"]
rows = [(name, known, f"{found[name].mean:.1f}", f"{found[name].p99:.0f}", f"{percentiles[name][0.95]:.1f} s"
         if name in percentiles else "-", f"{noticed[name].most:.0f}")
        for name, known in zip(order, knows, strict=True)]  # fmt: skip
Table(["policy", "knows", "mean, all alike", "p99", "p95, one slow", "queue of the slow one"], rows)

# %%
assert {row[0] for row in rows} == set(six)
assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)

# %% [markdown]
# | take | when |
# |---|---|
# | `power_of_two_choices` | by default: two looks, no state to keep, close to the best everywhere |
# | `least_connections` | one or a few gateways, long or uneven requests |
# | `peak_ewma` | servers differ in speed and change, as between zones; requests are alike |
# | `consistent_hash` | servers hold something that is worth coming back to |
# | `weighted_round_robin` | sizes differ and are known; a canary's share |
# | `round_robin` | all alike, and somebody else watches for slow ones |
# | `random` | to be compared with |
#
# *Does the choice matter when one backend is slow?* It is the difference between a fault that nobody sees and one
# that outlives itself. What counts in flight cannot do is see that a server is **broken**: one that fails at once looks
# idle, and draws traffic. That takes health checks and outlier detection.

# %%
broken = [Server(0.1, faults=[Fault("refuse", *slow)] if number == 2 else []) for number in range(10)]
fails = {name: show.trial(POLICIES[name], broken, rate=60, seconds=60) for name in ("round_robin", "least_connections")}
lost = {name: sum(outcome.status == 502 for outcome in one.outcomes) for name, one in fails.items()}
lost

# %%
assert lost["least_connections"] > 1.2 * lost["round_robin"]

# %% [markdown]
# ## Exercises
#
# 1. Make two of ten servers slow in section 2, then five. When does `power_of_two_choices` begin to suffer, and what is
#    the load of the others then?
# 2. Give `Server` the service times of a cache (`Bimodal` in `simulation/service_time.py`, used in
#    `plotting/load_balancing/laboratory.py`). Does `peak_ewma` still do well? What did it measure?
# 3. Predict with `least_of(2, rho)` at which load two choices take as long as random does at 80 %.
