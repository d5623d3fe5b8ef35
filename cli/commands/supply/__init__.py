"""Commands that bring in models and data, and build many at once."""
