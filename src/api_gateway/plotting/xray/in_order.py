"""In order: an X-ray that took no time, as if each coming and going took one unit.

Rule: in virtual time only waiting takes time, so a request that is refused at once has no length. What is left to see
is the order: who was asked before whom, and how far it came.

What it does not do: change what anybody decided.
"""

from __future__ import annotations

from dataclasses import replace

from api_gateway.core.xray.step import Step


def in_order(step: Step, began: int = 0) -> Step:
    """`step` and all inside it, one unit apart."""
    inner: list[Step] = []
    at = began + 1
    for one in step.inner:
        inner.append(in_order(one, at))
        at += inner[-1].duration + 1
    return replace(step, began=began, duration=at - began, inner=tuple(inner))
