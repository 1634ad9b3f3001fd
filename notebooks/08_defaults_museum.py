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
# # The defaults museum
#
# Most systems run on defaults. Somebody chose them years ago, for a purpose, and they are what happens on the worst
# day. Here the defaults of well-known proxies and libraries meet the same three outages.
#
# What runs is **this gateway's own** retry, breaker, bulkhead and outlier detection, set to *their* numbers. So this
# compares settings, not products, and what a product has beyond them is named, not shown. A preset that does badly in
# an outage was mostly made for another one; what for is said too.

# %%
import logging

from api_gateway.plotting import defaults_museum as museum
from api_gateway.plotting.table import Table

logging.getLogger("api_gateway").addHandler(logging.NullHandler())  # breakers log what the figure shows

# %% [markdown]
# ## The exhibits

# %%
presets = {preset.name: preset for preset in museum.PRESETS}
museum.Placards(museum.PRESETS)

# %%
Table(
    ["preset", "timeout", "tries", "budget", "breaker: window", "at least", "rate", "open for", "ejects an endpoint"],
    [museum.settings(preset) for preset in museum.PRESETS],
)

# %%
assert sum(preset.breaker is not None for preset in museum.PRESETS) == 5
assert presets["Envoy, as it comes"].retries is None and presets["Kong"].outliers is None
assert presets["resilience4j"].breaker == museum.Breaker(100, 100, 0.5, 60.0, 10)

# %% [markdown]
# Left out altogether: numbers of which no document of the product could be cited; active health checks, which most of
# these have and none has on by default; and versions before and after the ones named.
#
# ## The outages
#
# A service of three endpoints, each of which does 50 requests a second, gets 50 in all. At 20 s
#
# 1. **all hang** for 30 s: they take requests and never answer them. Nothing can be saved here but time, and the
#    service;
# 2. **all are slow** for 10 s: ten times. 15 requests a second are possible, the others wait. Who can wait, loses
#    nothing;
# 3. **one is dead** for 30 s: its port is closed. The other two could do everything.
#
# A client waits 30 s at most, and leaves. The gateway is not told why.
#
# Before you look: which of the three is a breaker for, which a retry, which ejection?

# %%
assert [outage.ill for outage in museum.OUTAGES] == [3, 3, 1]
visits = {name: {outage: museum.visit(preset, outage) for outage in museum.OUTAGES} for name, preset in presets.items()}

# %%
figure, reports = museum.museum_wall(visits, "No defaults are good at every outage")
figure


# %%
def good_at(report: museum.Report, outage: museum.Outage) -> bool:
    if outage is museum.HANGS:  # all that can be saved is the service, and the time after
        return report.calls < 1000 and report.recovered <= 10
    return report.failed < (500 if outage is museum.SLOW else 100)


wins = {name: [good_at(by[outage.name], outage) for outage in museum.OUTAGES] for name, by in reports.items()}
assert all(any(good) and not all(good) for good in wins.values())

# %% [markdown]
# **How to read it.** Time goes to the right; height is requests of one second, by when they were sent: blue were
# answered within a second, light blue later, orange not at all. The strokes are the begin and the end of the outage.

# %% [markdown]
# ## 1. All hang
#
# "Spared after" is how long it took until the sick endpoints got at most a fifth of their usual calls.

# %%
museum.report_table(reports, museum.HANGS)

# %%
hang = {name: by[museum.HANGS.name] for name, by in reports.items()}
with_breaker = {"resilience4j", "Hystrix", "opossum", "this gateway"}
assert all((report.calls < 400) == (name in with_breaker) for name, report in hang.items())
assert all(report.mean < 1 for name, report in hang.items() if name in with_breaker)
assert hang["Kong"].mean == hang["NGINX"].mean == 30 and round(hang["Envoy, as it comes"].mean) == 15

# %% [markdown]
# Everybody loses the 1,500 requests of these 30 s. What differs is what it *costs*: by Little's law, 50 requests a
# second that take 30 s each are 1,500 connections, buffers and threads in the gateway, which it needs for other
# services. With a breaker it is between 2 and 32.
#
# Envoy's 15 s halve that. Ejection does not help, because 10 % of three endpoints is one. Traefik's breaker *cannot*
# see this outage: without a timeout nothing ever fails; the clients just leave. **A breaker needs a timeout.**
#
# Of the breakers resilience4j's is the first to open, after 2 s, and has the longest outage: it spares the service for
# a full minute, in half of which the service is well. Hystrix spares it at once and without a breaker: ten threads
# that wait 1 s each cannot make more than ten calls a second.

# %%
in_flight = {name: 50 * report.mean for name, report in hang.items()}
assert in_flight["Kong"] == 1500 and max(in_flight[name] for name in with_breaker) < 32
assert hang["Traefik, with a breaker"].spared is None
assert [hang[name].spared for name in ("Hystrix", "resilience4j", "this gateway", "opossum")] == [0, 2, 4, 6]
assert hang["resilience4j"].recovered == max(report.recovered for report in hang.values()) > 30

# %% [markdown]
# ## 2. All slow

# %%
museum.report_table(reports, museum.SLOW)

# %%
slow = {name: by[museum.SLOW.name] for name, by in reports.items()}
patient = {name for name, report in slow.items() if report.failed == 0}
assert patient == {"Envoy, as it comes", "Envoy, asked for all", "Kong", "Traefik, with a breaker", "NGINX"}
assert all(slow[name].failed > 1500 for name in ("resilience4j", "opossum", "this gateway"))

# %% [markdown]
# The other way round: who waits, loses nothing. 600 answers come late, and 3 s after the slowness all is as before. The
# breakers turn ten seconds of *slowness* into up to a minute of *outage*, because for them slow is the same as dead.
#
# This is no mistake of theirs. A caller with a user behind it may have no use for an answer after 5 s, and everybody
# who waits holds a connection. But `open_for` is a promise to be down for so long: 60 s is six times this trouble.
# Hystrix does best of those that break. It looks again after 5 s, and its ten threads admit little more than can be
# served.

# %%
assert slow["resilience4j"].recovered == 53 and slow["Hystrix"].recovered <= 2
assert slow["Hystrix"].failed < 0.3 * min(slow[name].failed for name in ("resilience4j", "opossum", "this gateway"))

# %% [markdown]
# ## 3. One of three dead

# %%
museum.report_table(reports, museum.ONE_DEAD)

# %%
dead = {name: by[museum.ONE_DEAD.name] for name, by in reports.items()}
nobody_notices = {name for name, report in dead.items() if report.failed == 0}
assert nobody_notices == {"Envoy, asked for all", "Kong", "NGINX", "resilience4j", "this gateway"}
assert all(presets[name].retries for name in nobody_notices)
assert dead["Traefik, with a breaker"].failed > 3 * dead["Hystrix"].failed
assert max(dead[name].calls for name in ("NGINX", "Envoy, asked for all", "this gateway")) <= 5

# %% [markdown]
# The everyday outage. Whoever **retries elsewhere** has no failures at all, and whoever also **ejects** stops asking:
# NGINX with the first error, three calls in 30 s; Envoy and this gateway after five. Kong and resilience4j go on
# knocking at the dead door, hundreds of times; resilience4j pauses for half a second before it tries again, which is
# in its mean.
#
# A **breaker around the whole service** is the wrong tool. At 50 % it does not see a third that fails; set to 30 %, as
# Traefik's documentation has it, it sees it, and shuts out the two that are well. Libraries such as Hystrix guard a
# *dependency* and leave endpoints to the balancer below them: there is none here, so this outage is unfair to them.

# %%
assert dead["Kong"].calls > 500 < dead["resilience4j"].calls and dead["NGINX"].calls == 3
assert dead["resilience4j"].mean > 3 * dead["Kong"].mean

# %% [markdown]
# ## What to take home

# %%
marks = {name: ["good" if good else "-" for good in by] for name, by in wins.items()}
Table(["preset", *(outage.name for outage in museum.OUTAGES)], [(name, *mark) for name, mark in marks.items()])

# %%
assert marks["NGINX"] == ["-", "good", "good"] and marks["opossum"] == ["good", "-", "-"]

# %% [markdown]
# "Good" is what can be had: in the first outage fewer than 1,000 calls to the sick and back within 10 s; in the second
# fewer failures than came in those ten seconds, 500; in the third fewer than 100.
#
# | from | take |
# |---|---|
# | NGINX | the next endpoint at once, and one error is enough when there are others |
# | Envoy | budgets and ejection; and to *ask for them*, as nothing is on by itself |
# | Kong | nothing that waits 60 s |
# | Traefik | that a return should be gradual; and a breaker only with a timeout before it |
# | resilience4j | a minimum of calls, so that two bad ones of three prove nothing |
# | Hystrix | short rests, and a bulkhead beside the breaker |
# | opossum | a timeout that is part of the breaker |
#
# And of this gateway's own: 30 s of `open_for` is too long for the second outage. With 5 s:

# %%
ours = presets["this gateway"]
shorter = ours._replace(breaker=ours.breaker and ours.breaker._replace(open_for=5.0))
better = {outage.name: museum.visit(shorter, outage).report() for outage in museum.OUTAGES}
Table(["outage", "failed, open for 30 s", "failed, open for 5 s", "calls to the ill, 30 s", "5 s"],
      [(name, f"{reports['this gateway'][name].failed:,}", f"{one.failed:,}",
        f"{reports['this gateway'][name].calls:,}", f"{one.calls:,}") for name, one in better.items()])  # fmt: skip

# %%
assert better[museum.SLOW.name].failed < 0.5 * slow["this gateway"].failed
assert better[museum.HANGS.name].calls < 1.2 * hang["this gateway"].calls

# %% [markdown]
# > **In an interview:** "Defaults are somebody's guess at my outage. I ask three things: does a hanging service cost
# > me more than its timeout, does one dead endpoint cost a client anything, and how long after the trouble am I
# > still down?"
#
# ## Exercises
#
# 1. Give Traefik's preset a timeout of 1 s. Which of its three rows change?
# 2. Choose one preset that is good at all three, by the measures above. Which settings have no choice left?
# 3. Make the slow outage worse, `RATE` 120 a second in `plotting/defaults_museum/exhibition.py`. Are the patient still
#    the winners?
