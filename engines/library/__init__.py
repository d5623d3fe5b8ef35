"""TensorRT itself: what differs between its versions, its log, and the CUDA driver below it."""
