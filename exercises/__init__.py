"""A bug zoo: small broken variants of parts of a gateway, each with a test to make pass and a solution to compare.

Reading order: `README.md`, then any exercise. `catalogue.py` reads the exercises, `trial.py` runs their tests,
`__main__.py` talks to the reader.
"""
