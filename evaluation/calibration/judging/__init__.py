"""How far the INT8 network is from the float one: at its heads, and in what it detects."""
