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
# # One limit, many gateways
#
# A gateway that must not fail is never alone. Four of them stand behind a load balancer, and the limit says "100 a
# second, 20 at once" for a client, not for a gateway. Who counts?
#
# There are four answers: everybody alone, one store for all, a store that hands out leases, and everybody alone with
# gossip. Each has a price, and the price is always one of three: **too many** get in, some are **refused wrongly**,
# or requests **wait**. This notebook puts a number on each, and then cuts the network.
#
# The stores are the package's own classes. Only the server is played: `DistantStore` puts 1 ms of network in front of
# a store in memory, where the gateway has Redis, whose scripts decide alike. All runs in **virtual time**: the event
# loop never waits, so a minute takes a second, and every run is the same.

# %%
import random

from api_gateway.plotting import fleet as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.rate_limiters import burst, cumulative_admissions, merged, poisson
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table
from api_gateway.rate_limiting import Quota
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.simulation import run

# %%
limit = Limit("per client", "gcra", limit=100, period=1.0, burst=20)
network = show.Network(delay=0.001)
ways = {
    "whole limit each": show.whole_limit_each,
    "a share each": show.a_share_each,
    "one shared store": show.shared(network),
    "leases of 5": show.leased(network, lease=5),
    "gossip each 0.1 s": show.synchronised,
}

# %% [markdown]
# ## 1. Counting alone
#
# The client asks 300 times a second, three times what it may, and the load balancer spreads that evenly over four
# gateways.
#
# Before you look: how much does the client get, if each gateway enforces 100 a second by itself?

# %%
busy = poisson(300, 5, random.Random(2))
even, uneven = (1, 1, 1, 1), (7, 1, 1, 1)
answers = {name: run(show.answers, way, limit, 4, show.spread(busy, even)) for name, way in ways.items()}

# %%
passed = {name: [answer.answered for answer in given if answer.allowed] for name, given in answers.items()}
figure, above = cumulative_admissions(
    passed, busy, Quota.of(100, 1, 20), "Four gateways that count alone admit everything; gossip comes too late"
)
figure

# %%
assert len(passed["whole limit each"]) == len(busy)
assert len(passed["gossip each 0.1 s"]) > 2 * len(passed["one shared store"])
assert [name for name, requests in above.items() if requests <= 0] == list(ways)[1:4]

# %% [markdown]
# **How to read it.** The dashed line is what the limit promises, `rate * t + burst`. Each gateway sees 75 requests a
# second, fewer than 100, so none refuses anything. Three ways keep the line: a quarter of the limit for each, a
# shared store, and leases from it.
#
# > **In an interview:** "N gateways with a limiter in memory enforce N times the limit. That is fine for protecting a
# > machine from a flood, and wrong for a quota that somebody pays for."

# %% [markdown]
# ## 2. Three prices
#
# Then why not give each gateway a quarter and be done? Because load balancers do not divide fairly: connections are
# kept alive, clients are big and small. So we ask twice: with traffic spread evenly, and with seven tenths of it at
# one gateway.
#
# Two loads, because different things go wrong. At **3 times the limit** we count who gets in without right. At **90 %
# of it**, where hardly anybody should be refused, we count who is refused wrongly, and who has to wait for the store.
# An auditor who sees everything, one limiter with the whole limit, is the judge.

# %%
calm = poisson(90, 20, random.Random(1))


def audit(way: show.Way, arrivals: list[int], weights: tuple[int, ...]) -> show.FleetReport:
    return show.report(run(show.answers, way, limit, 4, show.spread(arrivals, weights)), limit)


flood = {name: [audit(way, busy, weights) for weights in (even, uneven)] for name, way in ways.items()}
normal = {name: [audit(way, calm, weights) for weights in (even, uneven)] for name, way in ways.items()}

# %%
figure = show.prices_of_ways(
    {name: [report.too_many_share for report in pair] for name, pair in flood.items()},
    {name: [report.wrong_share for report in pair] for name, pair in normal.items()},
    {name: [report.waited_share for report in pair] for name, pair in normal.items()},
    "There is no free way to share: too many, wrongly refused, or waiting",
)
figure

# %%
prices = {name: (max(one.too_many_share for one in flood[name]), max(one.wrong_share for one in normal[name]),
                 max(one.waited_share for one in normal[name])) for name in ways}  # fmt: skip
assert all(max(price) > 0.2 for price in prices.values())
assert all(sum(part > 0.01 for part in price) == 1 for price in prices.values())

# %% [markdown]
# **How to read it.** A filled dot is even traffic, a hollow one uneven; where they meet, it makes no difference.
#
# *A share each* never admits too much, and refuses four of ten requests wrongly as soon as traffic is uneven. The
# busy gateway has 25 a second, and gets 63.

# %%
shares = [report.wrong_share for report in normal["a share each"]]
assert shares[0] < 0.1 and shares[1] > 0.4

# %% [markdown]
# *One shared store* is exact, and every request waits for it: 2 ms there and back. *Leases* make one request of four
# wait. The slowest in a hundred waits for two round trips: it found too little, and asked again for less.

# %%
exact, lease = normal["one shared store"][0], normal["leases of 5"][0]
assert (exact.too_many, exact.wrongly_refused, exact.waited_share, round(exact.slowest, 3)) == (0, 0, 1.0, 2.0)
assert 0.2 < lease.waited_share < 0.25 and round(lease.slowest, 3) == 4.0

# %% [markdown]
# > **In an interview:** "A shared counter costs a round trip a request; a local one costs accuracy. Between them I
# > lease: a gateway takes five tokens at once and spends them without asking."

# %% [markdown]
# ## 3. How large a lease?
#
# With a lease of K, one request in K should wait. Larger is better, then?

# %%
sizes = {size: audit(show.leased(network, size), calm, even) for size in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20)}
figure, best = show.lease_sizes(sizes, "A lease saves four round trips of five, until gateways hoard what others need")
figure

# %%
assert best == 8 and 0.18 < sizes[8].waited_share < 0.21
assert sizes[20].waited_share > 1.5 * sizes[8].waited_share
assert sizes[4].wrongly_refused == 0 < sizes[8].wrongly_refused < sizes[20].wrongly_refused

# %% [markdown]
# **How to read it.** To the left, 1/K as hoped. To the right, the burst of 20 is all there is, so four gateways that
# want 20 each find the store empty: they ask, are refused, and ask again for less, while the tokens lie with somebody
# else.
#
# A lease also has a worst case. Let each gateway take one and keep four tokens of it. Wait until the shared bucket is
# full again. Then flood all four at the same moment.

# %%
first, later = burst(4, 0.0), burst(160, 0.9)
everywhere = [(number % 4, now) for number, now in enumerate(merged(first, later))]
given = run(show.answers, show.leased(network, lease=5), limit, 4, everywhere)
at_once = sum(answer.allowed for answer in given if answer.asked == later[0])
at_once

# %% [markdown]
# 36 at once where 20 are allowed: 16 too many, four for each gateway. The bound in `lease_store.py` says so: at most
# N * K more than the limit.

# %%
assert at_once == 20 + 4 * 4
assert at_once - 20 <= 4 * 5

# %% [markdown]
# > **In an interview:** "I keep the lease small against the limit's share of one gateway. Then both errors are small:
# > at most N times K too many, at most that many refused while others hold them."

# %% [markdown]
# ## 4. How fast must gossip be?
#
# Gossip costs no request any time. It only has to be faster than the burst is spent. Twenty tokens at 300 a second
# last 67 ms.


# %%
def gossiping(every: float) -> show.FleetReport:
    requests = show.spread(busy, even)
    return show.report(run(show.answers, show.synchronised, limit, 4, requests, every), limit)


gossip = {every: gossiping(every) for every in (0.001, 0.01, 0.1, 1.0)}
promised = 5 * 100 + 20  # five seconds, and the burst
rows = [(f"{1000 * every:g} ms", f"{one.admitted / promised:.2f}") for every, one in gossip.items()]
Table(["gossip each", "admitted / promised"], rows)

# %%
admitted = [report.admitted for report in gossip.values()]
assert admitted == sorted(admitted)
assert admitted[0] < 1.1 * promised < 2 * promised < admitted[2]

# %% [markdown]
# > **In an interview:** "With delayed synchronisation the error grows with the delay times the rate. It suits limits
# > per hour; for limits per second it has to be so fast that one may as well ask."

# %% [markdown]
# ## 5. The network is cut
#
# A shared store is one more thing that can fail. From second 2 to second 5 the gateways cannot reach it. The client
# asks 150 times a second, mostly at one gateway. What then is written in the configuration: `on_store_error: admit |
# refuse | local`.
#
# Before you look: which of the three keeps the limit? Which keeps the customers?

# %%
cut = show.Network(delay=0.001, cut_from=2, cut_until=5, timeout=0.25)
requests = show.spread(poisson(150, 8, random.Random(3)), uneven)
policies = {policy: run(show.answers, show.shared(cut, policy), limit, 4, requests)
            for policy in ("admit", "refuse", "local")}  # fmt: skip

# %%
figure, rates = show.outage_timeline(
    policies, cut, limit, "Without the store: no limit, no service, or a quarter of the limit for each"
)
figure

# %%
assert rates["admit"].refused == 0 and rates["admit"].admitted > 150
assert rates["refuse"].admitted == 0
assert 60 < rates["local"].admitted < 100 and rates["local"].refused > 60

# %% [markdown]
# **How to read it.** Grey is the outage. *Admit* gives up the limit, *refuse* the service. *Local* gives each gateway
# a quarter of the limit: the limit holds, three quarters of it are used, and the busy gateway refuses what the idle
# ones could have admitted.
#
# In each picture there is a hole first and then a peak. For a quarter of a second the gateways do not know, and
# requests wait for the timeout. After it nobody waits at all.

# %%
waits = [answer.waited for answer in policies["local"] if 2_000_000_000 <= answer.asked < 2_250_000_000]
assert 240_000_000 < max(waits) <= 251_000_000
after = [answer.waited for answer in policies["local"] if 2_260_000_000 < answer.asked < 5_000_000_000]
assert len(after) > 300 and max(after) < 1_000

# %% [markdown]
# **Try it.** More gateways, another load. (Where nobody can move sliders, you see one such picture: ten gateways, and
# a client that stays below its limit.)


# %%
def without_store(gateways: int, load: int) -> tuple[Picture, dict[str, show.Rates]]:
    arrivals = poisson(load, 8, random.Random(3))
    requests = show.spread(arrivals, (7, *[1] * (gateways - 1)))
    given = {policy: run(show.answers, show.shared(cut, policy), limit, gateways, requests) for policy in policies}
    return show.outage_timeline(given, cut, limit, f"{gateways} gateways, {load} requests a second")


explore(lambda gateways, load: without_store(gateways, load)[0], gateways=Knob(10, 2, 16), load=Knob(80, 20, 300, 10))

# %%
_, rates = without_store(10, 80)
assert rates["admit"].refused == 0 and rates["admit"].admitted < 100
assert 0.4 < rates["local"].refused / sum(rates["local"]) < 0.45

# %% [markdown]
# Ten gateways have ten requests a second each. The client asks for 80 where 100 are allowed, and two of five are
# refused: what local fallback costs grows with the fleet.

# %% [markdown]
# > **In an interview:** "When the limiter's store fails I decide by what the limit protects. If it is fairness, I
# > admit. If it is money or a password, I refuse. If it is the service behind, each gateway falls back to its share.
# > And the timeout must be short: whoever asks before the gateway knows waits for it."

# %% [markdown]
# ## 6. Which one, when
#
# | take | when | the price |
# |---|---|---|
# | a limiter in memory | the limit protects the gateway itself, or there is one gateway | N times the limit |
# | a share each | traffic is spread evenly, and no store may be needed | wrong refusals where it is not |
# | one shared store | the limit is a contract | a round trip each, and an outage policy |
# | leases | the same, and the round trip hurts | N times K, in the worst case |
# | gossip | limits per hour or day | what is spent between two messages |

# %%
rows = [(name, *(f"{price:.0%}" for price in prices[name])) for name in ways]
Table(["way", "too many", "wrongly refused", "waited"], rows)

# %%
assert rows[2][1:] == ("0%", "0%", "100%")
assert rows[0][2:] == rows[4][2:] == ("0%", "0%")

# %% [markdown]
# ## Exercises
#
# 1. Give the network 20 ms instead of 1. Which way gets worse, and which does not notice?
# 2. A fifth gateway joins, but `a_share_each` still divides by four. What does the client get?
# 3. Cut the network for `leased` gateways. For how long does a lease help?
