"""trtzoo: YOLO weights of any family become end-to-end ONNX and TensorRT engines."""
