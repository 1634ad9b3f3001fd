"""Validation: a request is looked at as a whole before a service sees it.

Reading order: `request_validation.py`, `query_parameters.py`, `json_schema.py`, `schema_keywords.py` (what schemas may
say), `schema_errors.py` (what clients are told).
"""
