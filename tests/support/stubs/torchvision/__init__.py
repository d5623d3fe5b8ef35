"""Stands in for torchvision where its compiled operators do not fit the torch installed; Ultralytics only imports it.

Put this folder's parent on PYTHONPATH of a process that exports or predicts with the framework.
"""

__version__ = "0.28.0"
