"""Transform: requests and answers take another shape on their way.

Reading order: `transform_middleware.py`, `header_transform.py`, `body_transform.py` and its two directions, then what
templates and expressions are: `template.py`, `expression.py`, `expression_functions.py`, `letter_case.py`,
`date_format.py`.
"""
