"""Nothing of it is used: the framework has its own NMS."""
