"""The operations that families are written in, and what interprets them: as ONNX nodes, or at once with torch."""
