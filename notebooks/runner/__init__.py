"""The notebooks' runner: `python -m notebooks.runner`.

Reading order: `pair.py` (what a notebook is made of), `rules.py` (what it must keep to), `execution.py` (what
it says when it is run), `__main__.py`.
"""
