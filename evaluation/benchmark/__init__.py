"""How fast models are and what they cost, measured side by side."""
