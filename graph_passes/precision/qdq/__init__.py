"""INT8 in the graph: explicit quantise/dequantise pairs, placed by structure (`points`), written by `insert`."""
