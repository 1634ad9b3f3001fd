"""Who is calling: one authenticator a file, each with one kind of proof."""
