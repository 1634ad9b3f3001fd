"""X-ray: one request, and every decision that was made about it, with the state that made it.

    xray = await gateway.explain(Request("GET", "/api/orders/7"))
    print(xray)

Reading order: `facts.py` (what a part may tell of itself), `recorder.py` (who watches), `changes.py` (who found out
what), `xray.py` (the result), `report.py` (the result in words).
"""
