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
# # What happens the instant an entry expires?
#
# A cache is easy while it has the answer. All that is hard about it happens at the edges: the moment at which an answer
# runs out, the answer for which there is no room, the origin that does not answer any more, and the answer that was
# meant for somebody else.
#
# Here each of these is caused, before simulated services and in **virtual time** (no waiting, and the same each time).
# The cache is the gateway's own: its rules (`api_gateway/caching/`), its memory store, its middleware
# (`middleware/cache/cache_middleware.py`). Beside it stand, for comparison, the caches that tutorials write
# (`plotting/caching/seeds.py`).

# %%
import logging
import math

from api_gateway.plotting import caching as show
from api_gateway.plotting.explore import Knob, explore
from api_gateway.plotting.style import Picture
from api_gateway.plotting.table import Table

logging.getLogger("api_gateway").addHandler(logging.NullHandler())  # a breaker logs what a figure shows

# %% [markdown]
# ## The words
#
# The **origin** is the service whose answers are kept. An answer is **fresh** for its *lifetime*, which the origin says
# (`Cache-Control: max-age=5`), and **stale** afterwards; its **age** counts from when the origin made it. A **hit** is
# answered from the cache, a **miss** by the origin. The **key** is what an answer is kept under.
#
# The **effort** is how long the origin takes to make an answer. It decides more than one would think.
#
# In a configuration all of this is one line, `middleware: [cache]`. So are the gateways here
# (`plotting/caching/laboratory.py`), each with the options that its section is about.

# %% [markdown]
# ## 1. The instant of expiry
#
# A page of scores is good for 5 s. 1,000 clients look at it each second, on the second. The origin does 500 requests a
# second, 20 ms each, and has other things to do as well: 100 a second that nobody can cache, a fifth of what it can.
#
# At 5 s the page runs out. Before you look: how many requests does the origin get? How long does somebody wait who
# wants something *else*?

# %%
crowds = {"each asks (the seed's cache)": show.at_expiry(single_flight=False),
          "one asks for all (this cache)": show.at_expiry(single_flight=True)}  # fmt: skip

# %%
figure, felt = show.load_at_expiry(crowds, "A thousand clients at the instant of expiry: a thousand requests, or one")
figure

# %%
each, one = felt.values()
assert each.asked == 1000 and one.asked == 1
assert math.isclose(each.page, 1000 / show.CAPACITY, rel_tol=0.02) and round(one.page, 6) == 0.02
assert each.rest > 1.9 and one.rest < 0.05

# %% [markdown]
# **How to read it.** Above, what the origin gets in each 100 ms, on a scale of powers of ten. Below, a dot is a client:
# when it asked, and how long it waited. At 4, 6, 7 and 8 s the crowd cannot even be seen: hits cost the origin
# nothing. At 5 s all 1,000 find nothing in the same moment, and on the left all of them ask.
#
# The last of them waits 1,000 / 500 = 2 s. The grey line is who pays: whoever wants anything else stands behind them,
# and the queue is gone only after 1,000 / (500 - 100) = 2.5 s.
#
# On the right the first one asks, and the others wait *for its answer*: **single flight**. All 1,000 have it after 20
# ms, as long as one request takes. There is no lock and no queue: they wait for a result, not for a turn.
#
# (A stampede needs no clock that all clients share. At 1,000 requests a second and an effort of 0.2 s, 200 come before
# the first answer is back.)

# %%
drained = max(got.sent for got in crowds["each asks (the seed's cache)"].rest if got.duration > 0.025)
assert math.isclose(drained - 5, 1000 / (show.CAPACITY - 100), rel_tol=0.05)

# %% [markdown]
# > **In an interview:** "A cache hides how weak the origin is until the hottest entry expires. I collapse requests: one
# > goes, the rest wait for its answer. And I say what happens when that one fails, or its client leaves: the next in
# > line takes over, so a flight never takes its passengers down."

# %% [markdown]
# ## 2. Before the instant: early refresh
#
# With single flight the origin is safe. But everybody who comes during the effort still waits. Could the new answer be
# there *before* the old one ends?
#
# **XFetch**: each hit draws a number u from (0, 1] and refreshes in the background if `effort · β · -ln u ≥ what is
# left of the lifetime`. The nearer the end, the likelier. Nobody counts, locks or keeps a timer. Here a page takes 0.2
# s, lasts 5 s, and 100 clients a second want it.
#
# Before you look: how much earlier is it fetched, and how many wait?

# %%
over_time = {"without early refresh": show.waits(0), "with it, β = 1": show.waits(1)}
figure, waited = show.waits_over_time(
    over_time, "With early refresh nobody waits, and the origin is asked a little more often"
)
figure

# %%
assert list(waited.values()) == [59, 0]
assert [len(run.asked) for run in over_time.values()] == [4, 5] and len(over_time["with it, β = 1"].got) > 2000

# %% [markdown]
# **How to read it.** A dot is a client. Orange waits: above the 20 or so that come in each 0.2 s after an end. (The
# very first ones wait in both: there is nothing to be early with.) Grey is when the origin is asked: above each 5 s,
# below a little sooner. That is the price: the lifetime is used less than fully.
#
# *When* does it begin? Requests come at random, `λ` a second. With r seconds left, one begins a refresh with
# probability e^(-r/βδ), where δ is the effort. So the first one begins earlier than r before the end with probability
#
# $$1 - \exp(-k\,e^{-r/\beta\delta}), \qquad k = \lambda\beta\delta$$
#
# a Gumbel distribution, whose mean is βδ (ln k + 0.577).

# %%
rate, effort = 100.0, 0.2
begun = {beta: show.first_refreshes(beta, rate, effort, rounds=1500) for beta in (0.5, 1, 2)}
figure, mean = show.moments(begun, rate, effort, "The first refresh comes when theory says, and β sets how early")
figure

# %%
assert all(math.isclose(mean[beta], show.mean_begin(beta, rate, effort), rel_tol=0.03) for beta in begun)
for beta, moments in begun.items():
    found = sum(moment > 0.5 for moment in moments) / len(moments)
    assert abs(found - show.begins_before(0.5, beta, rate, effort)) < 0.03
assert round(show.mean_begin(1, rate, effort), 1) == 0.7

# %% [markdown]
# **How to read it.** Dots are rounds, in steps of 5 %, each with the real function (`caching/early_refresh.py`); grey
# lines are theory. At β = 1 it is fetched 0.7 s before its end: three and a half efforts. It must begin at least one
# effort before the end, or it is not back in time: the grey ground. At β = 0.5 every fourth is not.
#
# Note what is *not* in the formula: the lifetime. And what is: the logarithm of the rate. A page that is asked for ten
# times as often is fetched only 2.3 efforts earlier.
#
# But how about a page that few ask for?

# %%
while_made = (0.1, 0.3, 1, 3, 10, 30)
share = {beta: {load: sum(moment < effort for moment in show.first_refreshes(beta, load / effort, effort, 400)) / 400
                for load in while_made} for beta in (0.5, 1, 2)}  # fmt: skip
figure, theory = show.lateness(share, "Early refresh is for what many want: a cold page is late all the same")
figure

# %%
assert all(abs(share[beta][load] - theory[beta][load]) < 0.06 for beta in share for load in while_made)
assert theory[1][0.1] > 0.95 and theory[1][10] < 0.03
assert show.too_late(0.5, rate * effort) > 0.25 and show.too_late(1, rate * effort) < 0.001

# %% [markdown]
# **How to read it.** It is a lottery, and a cold page buys few tickets. The chance that nobody has won
# one effort before the end is `exp(-λδ β e^(-1/β))`. With ten requests in each effort, β = 1 is right 97 times of 100.
# With one it mostly is not, and whoever comes first waits. That is not so bad: with few requests there are few who
# wait.
#
# ### And how many refresh?
#
# In one gateway one does: the refresh is a flight as well. But ten gateways with one store have ten flights. How many
# begin before the first is back?

# %%
counts = {beta: show.how_many(beta, rate, effort, rounds=3000) for beta in (1, 2)}
figure, many = show.crowds_of_refreshes(
    counts, "Without a lock between gateways, 2.7 refresh on average, whatever the load"
)
figure

# %%
assert all(math.isclose(many[beta], math.exp(1 / beta), rel_tol=0.03) for beta in many)
assert all(abs(counts[beta][n] / 3000 - show.so_many(n, beta)) < 0.02 for beta in counts for n in range(1, 11))
without = show.how_many(0, 1000, effort, rounds=200)  # all who come while the first one asks
assert math.isclose(show.mean_of(without), 1 + 1000 * effort, rel_tol=0.02)

# %% [markdown]
# **How to read it.** Bars are rounds, rings are theory: **geometric, with p = e^(-1/β)**, so e^(1/β) on average: 2.72
# and 1.65. It does not depend on the rate at all, nor on the effort. (Without early refresh everybody asks who comes
# during one effort: at 1,000 a second, 201.)
#
# Why? Count the tickets that have been bought when the first one wins: that is always exponential with mean 1. While
# the winner fetches, the rate at which others win grows by e^(1/β), so they buy e^(1/β) - 1 times as many tickets. A
# Poisson number with an exponential mean is geometric. So: e and √e.
#
# > **In an interview:** "Three layers. Collapse in each gateway, early refresh across them: e^(1/β) requests instead of
# > rate times effort, without a lock. And stale-while-revalidate for the pages that are too cold for a lottery."

# %% [markdown]
# ## 3. Room: the hit ratio
#
# 10,000 pages, of which the n-th is asked for n^-0.9 as often as the first (**Zipf's law**, which is how the web is).
# The memory store has room for some of them. Which should leave? The usual answer: what was *not used for the longest*,
# LRU. The gateway's is S3-FIFO (`caching/s3_fifo.py`): what is new gets a tenth of the room, and must be asked for
# again to get more.
#
# LRU has a theory. **Che's approximation**: every page is thrown out after the same time T without a request, so page i
# is there with probability 1 - e^(-pᵢT), and T is where these add up to the room.
#
# Before you look: with room for 5 % of the pages, how many requests are hits?

# %%
pages = show.zipf(10_000, 0.9)
asked = show.requests(pages, 120_000)
ratios = {kind: {room: show.hit_ratio(table(room), asked) for room in (50, 100, 200, 500, 1000, 2000, 5000)}
          for kind, table in show.TABLES.items()}  # fmt: skip

# %%
figure, by_che = show.ratio_by_room(
    ratios, pages, "2 % of the pages, well chosen, have as many hits as the 5 % used last"
)
figure

# %%
lru, s3 = ratios["least recently used"], ratios["S3-FIFO"]
assert all(math.isclose(lru[room], by_che[room], rel_tol=0.02) for room in lru)
assert all(lru[room] < s3[room] < show.best(pages, room) for room in s3)
assert abs(s3[200] - lru[500]) < 0.01 and round(lru[500], 2) == 0.46

# %% [markdown]
# **How to read it.** Each step to the right is about twice the room, and brings about ten per cent of hits: **hits grow
# with the logarithm of the room**. The squares are simulated, the grey line is Che's: no further off than 2 %, and it
# needs no simulation. (*Why* it works so well: T is a sum over many pages, and hardly varies.)
#
# LRU wastes its room on pages that were asked for once: each takes a place until T is over. Dotted is the best that can
# be had without knowing the future, the most popular pages and nothing else. S3-FIFO closes most of the gap.
#
# Two honest remarks. Here popularity never changes, which flatters all that count; where it does, recency is worth
# more. And a hit ratio is not the load: **from 90 to 95 % the origin's load halves.**
#
# Now a crawler comes. For a while it reads one page nobody else wants after every request of a client.

# %%
scan = show.Scan(start=60_000, pages=20_000)
around = {kind: show.ratio_over_time(table(500), asked, scan, width=2500) for kind, table in show.TABLES.items()}
figure, fall = show.ratio_around_a_scan(
    around, scan, 2500, "A crawler costs LRU a quarter of its clients' hits, and S3-FIFO nearly none"
)
figure

# %%
during = {kind: sum(ratio[25:32]) / 7 for kind, ratio in around.items()}
assert fall["least recently used"] > 0.12 and fall["S3-FIFO"] < 0.03
assert abs(during["least recently used"] - show.che(pages, 500, crawled=1)) < 0.01
assert round(1 - during["least recently used"] / by_che[500], 2) == 0.25

# %% [markdown]
# **How to read it.** Only clients count; the crawler never hits anything. In LRU its pages get the same time T as
# everybody's, and push T down: Che's equation with one term more, `Σ(1 - e^(-pᵢT)) + T = room`, says 34 %, and so it
# is. In S3-FIFO they pass through the small tenth, and nobody notices.
#
# > **In an interview:** "LRU believes that whoever was here last comes again. One crawler or one batch job refutes
# > that. I would ask for admission: newcomers prove themselves in a small queue first. And I compute hit ratios before
# > I buy memory: Che's approximation is five lines."

# %% [markdown]
# **Try it.** The exponent, and how many pages there are. (Where nobody can move sliders, you see 0.7: less popular
# favourites.)


# %%
def try_it(exponent: float, pages: int) -> Picture:
    shares = show.zipf(pages, exponent)
    drawn = show.requests(shares, 30_000)
    rooms = [pages // 50, pages // 20, pages // 10, pages // 5]
    tried = {kind: {room: show.hit_ratio(table(room), drawn) for room in rooms} for kind, table in show.TABLES.items()}
    return show.ratio_by_room(tried, shares, f"{pages:,} pages, exponent {exponent:g}")[0]


explore(try_it, exponent=Knob(0.7, 0.5, 1.3, 0.1), pages=Knob(5000, 1000, 20_000, 1000))

# %%
flatter = show.zipf(5000, 0.7)
assert show.che(flatter, 250) < show.che(show.zipf(5000, 0.9), 250)  # the flatter, the more room it takes

# %% [markdown]
# ## 4. When there is no new answer: stale
#
# A page is good for 5 s and takes 0.2 s to make. At 20 s its origin dies, at 40 s it is back. HTTP has two directives
# for that (RFC 5861), which the *origin* puts beside `max-age`:
#
# - `stale-while-revalidate=10`: for 10 s past the end use it at once, and fetch it anew meanwhile;
# - `stale-if-error=30`: for 30 s past the end use it if fetching fails.
#
# Before you look: which one helps in the outage? And how often is an origin asked that is down?

# %%
revalidate, if_error = "stale-while-revalidate=10", "stale-if-error=30"
outages = {"neither": show.outage(), revalidate: show.outage(revalidate), if_error: show.outage(if_error),
           "both, and a circuit breaker": show.outage(f"{revalidate}, {if_error}", breaker=True)}  # fmt: skip
figure, unanswered = show.ages_in_an_outage(
    outages, "Stale answers hide an outage from clients; only a breaker spares the origin"
)
figure

# %%
assert list(unanswered.values()) == [400, 196, 0, 0]
assert [run.oldest() for run in outages.values()] == [4, 14, 24, 25]
assert [run.waited() for run in outages.values()] == [23, 3, 23, 3]
assert [run.asked_while_down() for run in outages.values()] == [400, 400, 400, 24]

# %%
rows = [(name, f"{run.failed()}", f"{run.waited()}", f"{run.oldest():.0f} s", f"{show.mean_age(run, 5, 20):.1f} s",
         f"{run.asked_while_down()}") for name, run in outages.items()]  # fmt: skip
Table(["", "no answer", "waited", "oldest", "average age before", "asked while down"], rows)

# %% [markdown]
# **How to read it.** A dot is an answer, as high as it is old by its own `Age`; the dotted line is where it is stale.
# Strokes are requests that reach the origin.
#
# *Neither*: the cache is fresh for 0 to 5 s more, and then everybody has an error. *While revalidate* is meant for slow
# origins: the blue specks above the line, each 5 s, are those who got the old answer instead of waiting. In an outage
# it helps for its 10 s. *If error* helps as long as it says, and makes those who come at an expiry wait in good times.
# They are different things, and **both** are wanted.
#
# And the strokes: **no directive protects the origin**. An answer that fails is not kept, so each request tries. Those
# who are refused at once cost little; an origin that is *slow* to fail would hold them all. What bounds that is a
# circuit breaker between cache and origin: 24 requests instead of 400, for an answer that is one second older at the
# end. The cache takes the breaker's refusal for an error as any other, and answers.
#
# `s-maxage` is a trap here: RFC 9111 lets it forbid both. `max-age=5, stale-if-error=30` works,
# `s-maxage=5, stale-if-error=30` does not.

# %%
shared = show.outage("s-maxage=5, stale-if-error=30")
assert shared.failed() == outages["neither"].failed() == 400

# %% [markdown]
# ### Staleness against load
#
# What does `stale-while-revalidate` cost when all is well? A page that is good for 10 s, under different loads:

# %%
by_load = show.loads((0.02, 0.1, 0.5, 2, 10, 50), lasts=10)
figure, past_its_end = show.stale_by_load(
    by_load, 10, "Whoever would wait gets a stale answer instead: most often where few ask"
)
figure

# %%
assert all(abs(load.stale - past_its_end[rate]) < 0.02 for rate, load in by_load[True].items())
assert all(abs(load.waited - past_its_end[rate]) < 0.02 for rate, load in by_load[False].items())
assert all(by_load[True][rate].asked == by_load[False][rate].asked for rate in by_load[True])

# %% [markdown]
# **How to read it.** Crosses are the share that waits without it, dots the share that is stale with it. They are the
# same requests: `stale-while-revalidate` turns each wait into an old answer, and asks the origin not once more or less.
# With 1 + λδ of them in each round, the share is (1 + λδ) / (1 + λL), the grey line. (Not δ + L below: an answer is as
# old when it comes as it took to get, RFC 9111 4.2.3.)
#
# A page that is asked for once in 50 s and lasts 10 is stale in 84 of 100 cases, and *how* stale is up to the next
# visitor: as old as the directive allows. For a cold page it means "always show the version of the last visit". So the
# window should be about as long as the lifetime, not a day.
#
# > **In an interview:** "`stale-while-revalidate` trades a wait for age, `stale-if-error` trades an error for age. I
# > set both, and a breaker behind them, and I agree with whoever owns the data on how old is too old."

# %% [markdown]
# ## 5. Somebody else's answer
#
# The worst thing that a cache can do is not to be slow. A popular cache for gateways, shortened:
#
# ```python
# key = f"{request.method} {request.path}"
# if key in self._kept:
#     return self._kept[key]
# ```
#
# Eight users ask for `/account`, three times each. The service is careless and says `max-age=60` without `private`.
# Before you look: find the bug. What does user 1 see?

# %%
accounts = {way: show.accounts(way) for way in show.WAYS}
figure, wrong = show.whose_answers(
    accounts, "users", "The seed's cache shows everybody the account of whoever asked first"
)
figure

# %%
assert list(wrong.values()) == [21, 0, 0]
assert [way.asked for way in accounts.values()] == [1, 24, 8]
assert accounts["the seed's cache"].got[0] == ("user 5", "user 5")  # the first, whose account the others see

# %% [markdown]
# **How to read it.** Columns are who asks, rows whose answer it is; a cross off the diagonal is a leak. 21 of 24, and
# the service sees one request, so its log shows nothing. *The hit ratio is excellent.*
#
# This cache does not keep what it is told by a known caller, unless the operator says for whom it is. `cache: {per:
# identity}` puts the caller into the key: all that authentication has proved of it, not the name alone, because one
# user's token may open less than another. `cache: {shared: true}` is a promise that it does not matter who asks.
#
# The same with something less dramatic: `/news`, in the language that the reader prefers. This service does it right
# and says `Vary: Accept-Language`.

# %%
papers = {way: show.news(way) for way in show.WAYS[:2]}
figure, mixed = show.whose_answers(papers, "readers", "With the seed's cache all read the language of the first one")
figure

# %%
assert list(mixed.values()) == [9, 0] and papers["this cache"].asked == len(show.LANGUAGES) == 4

# %% [markdown]
# **How to read it.** `Vary` says which request fields an answer depends on, and so it belongs to the key, although it
# is known only with the answer. Hence two steps (`caching/vary.py`): the key finds the page, `Vary` finds which of its
# variants. Four languages are four requests, the other eight are hits.
#
# > **In an interview:** "A key must contain everything that the answer depends on: host, path, query, what Vary names,
# > and who asks. If I am not sure, I do not cache. A cache that leaks is worse than none, and no metric shows it."

# %% [markdown]
# ### And what may not be kept?
#
# The usual repair of the stampede is a lock for each key. Now 100 clients ask at once for something with `no-store`,
# 0.2 s each. The service could do all of them together.

# %%
queues = {"a lock for each key": show.uncacheable(locked=True), "this cache": show.uncacheable(locked=False)}
figure, last = show.who_waits(queues, "What may not be kept makes a queue behind a lock, and none behind a flight")
figure

# %%
assert [round(wait, 6) for wait in last["a lock for each key"]] == [20, 20]
assert [round(wait, 6) for wait in last["this cache"]] == [0.4, 0.2]

# %% [markdown]
# **How to read it.** With the lock each waits for its turn, finds nothing kept, and asks: 100 × 0.2 s. *The cache has
# made a parallel service serial*, and for exactly the answers that it can do nothing for.
#
# The flight's passengers learn from the *head* of the first answer that it is not for them, and all go at once: 0.2 s
# too late, once. For some seconds the cache remembers that key, and the next time nobody waits ("hit for miss").
#
# > **In an interview:** "Collapsing is for what can be shared. As soon as the head says that it cannot, everybody must
# > go at once, and next time nobody should even wait."

# %% [markdown]
# ## All in one table

# %%
cold, hot = (100 * by_load[True][rate].stale for rate in (0.02, 50))
rows = [("1,000 at the instant of expiry", f"{each.asked:,} requests", f"{one.asked}", "single flight"),
        ("the longest wait of everything else", f"{each.rest:.1f} s", f"{one.rest:.2f} s", "single flight"),
        ("waits in 20 s, of 2,000", *map(str, waited.values()), "early refresh"),
        ("refreshes by gateways that share a store", "201", f"{many[1]:.1f}", "early refresh, β = 1"),
        ("hits with room for 5 %", f"{lru[500]:.0%}", f"{s3[500]:.0%}", "S3-FIFO for LRU")]  # fmt: skip

# %%
rows += [("and with a crawler", f"{during['least recently used']:.0%}", f"{during['S3-FIFO']:.0%}", "S3-FIFO for LRU"),
         ("errors in 20 s of outage", "400", "0", "stale-if-error"),
         ("requests to the dead origin", "400", "24", "a breaker behind the cache"),
         ("stale answers, cold and hot page", f"{cold:.0f} %", f"{hot:.0f} %", "the price of not waiting"),
         ("accounts shown to others, of 24", "21", "0", "a complete key"),
         ("100 at once, not cacheable", "20 s", "0.4 s", "waiters let go by the head")]  # fmt: skip
Table(["", "before", "after", "by"], rows)

# %%
assert [row[1:3] for row in rows[4:6]] == [("46%", "55%"), ("34%", "55%")]
assert rows[3][1:3] == ("201", "2.7") and round(cold) == 84 and round(hot) == 2

# %% [markdown]
# *What happens the instant an entry expires?* Nothing that anybody notices: it was fetched anew before (section 2);
# where that came too late, one asks for all (1), and the others get the old answer (4). If the origin is gone, the old
# answer is used on (4), and a breaker spares it. And none of this is worth anything if it is somebody else's (5).
#
# ## Exercises
#
# 1. In section 1, let the seed's cache have early refresh. How many requests does the origin get now, and when?
# 2. In section 2, what is the share of the lifetime that is lost with β = 1? Which lifetime is too short for it?
# 3. In section 3, let the favourites change: shuffle the pages every 20,000 requests. When is LRU better?
# 4. In section 4, let the origin hang instead of refusing (`Fault("hang", ...)`). Who waits, and for how long?
# 5. Find the fourth mistake in `SeedCache`, and write the request that fills its memory.
