"""Proof: ranges for INT8, what a model is worth, how far two of them differ, how fast they are, and a page that shows it."""
