"""Flags from files: `--config FILE` or `[tool.trtzoo]` of pyproject.toml in, `--save-config FILE` out."""

from __future__ import annotations

from .places import supplied, value_refused, with_places
from .save import check_place, save
from .supply import Source, only_command

__all__ = ["Source", "check_place", "only_command", "save", "supplied", "value_refused", "with_places"]
