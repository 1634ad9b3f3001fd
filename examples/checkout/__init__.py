"""A checkout over five services: done as a whole, or undone as a whole. See README.md."""
