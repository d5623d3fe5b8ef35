"""ONNX graphs: a skeleton with lazy weights, the writer that streams it, and the operators that are put into it."""
