"""What every room agrees on: what a model is, what goes in and comes out, and where it runs; plain data, no numpy, no onnx."""
