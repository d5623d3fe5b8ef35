"""labels.txt as nvinfer reads it: a name a line; `;` cuts a name, an empty line shifts all later ones, CR stays in the name."""

from __future__ import annotations

from collections.abc import Sequence


def labels_text(names: Sequence[str]) -> str:
    """One line a class, in the order of the classes."""
    return "".join(f"{_line(name) or f'class{number}'}\n" for number, name in enumerate(names))


def _line(name: str) -> str:
    return " ".join(name.replace(";", ",").split())
