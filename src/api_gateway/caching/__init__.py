"""Answers kept and used again: the rules of a shared cache (RFC 9111), and where it keeps them."""
