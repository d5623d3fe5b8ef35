"""How the rooms tell how far long work is, without printing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[float, str], None]
"""Called with the share that is done, 0..1, and what is being done."""


def silent(share: float, step: str) -> None:
    """Tell nobody."""
