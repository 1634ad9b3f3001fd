"""Which route: paths, predicates, and the rule by which the most specific wins."""
