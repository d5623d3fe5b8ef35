"""How good a model is, measured on pictures."""
