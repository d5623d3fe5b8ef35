"""Stands in for torchvision where its compiled operators do not fit the torch installed.

Put this folder's parent on PYTHONPATH of a process that exports, predicts or trains with the framework.
"""

from . import ops

__all__ = ["ops"]
__version__ = "0.28.0"
