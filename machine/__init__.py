"""What is installed on this machine, and what of it would fail."""

from __future__ import annotations

from .report import Report, examine

__all__ = ["Report", "examine"]
