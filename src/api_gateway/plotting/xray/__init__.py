"""X-ray in pictures: one request, and every decision about it. What `notebooks/00_tour.ipynb` ends with.

    figure, own = picture(await gateway.explain(request), "The second endpoint answered, 87 ms after the request came")

Reading order: `rows.py` (which steps get a row), `words.py` (the one line that is said of each), `picture.py`.
"""

from api_gateway.plotting.xray.picture import picture

__all__ = ["picture"]
