"""ONNX files that others exported: recognised by evidence, given the raw heads of our own."""
