"""Which layers lose accuracy in INT8: one at a time, what that does to heads and detections, and which to leave in floats."""
