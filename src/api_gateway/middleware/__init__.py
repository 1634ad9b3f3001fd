"""Whether and how: one policy a file, each a layer around a handler."""
