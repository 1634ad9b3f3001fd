"""Figures for the notebooks: each helper takes what the real classes did, and returns `(figure, numbers)`.

Reading order: `style.py` (how figures look), `explore.py` (sliders), `table.py`, then a folder for each subject;
`rate_limiters/` first.

matplotlib is used here and nowhere else.
"""
