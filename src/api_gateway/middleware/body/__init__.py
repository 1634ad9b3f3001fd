"""Body: what several layers must know of bodies, and bound.

Reading order: `media_type.py`, `content_coding.py` (compressed), `whole_body.py` (collected, in bounds),
`json_limits.py` (before a parser sees it), `replayed_body.py`, `entity_tag.py`.
"""
