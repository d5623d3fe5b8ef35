"""Quantisation-aware training without labels: the INT8 network learns from the float one (extra `torch`)."""
