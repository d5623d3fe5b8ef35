"""Engines as files: what one is, loading it, what it holds and what it was built from."""
