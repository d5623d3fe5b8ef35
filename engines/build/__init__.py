"""ONNX in, plan and manifest out, in a process of its own."""
