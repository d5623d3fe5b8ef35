"""What the PyTorch families share: the walk over a checkpoint's modules, torch's own layers, common blocks."""
