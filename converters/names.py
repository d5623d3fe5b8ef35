"""Class names from a text file."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..files import require_file


def read_names(path: Path, classes: int) -> tuple[str, ...]:
    """Read one class name a line.

    Args:
        path: a text file.
        classes: how many the model has.

    Raises:
        InputError: missing, not text, or another number of names.
    """
    require_file(path, "class names, one a line")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (class names, one a line); save it as UTF-8") from error
    names = tuple(line.strip() for line in lines)
    while names and not names[-1]:
        names = names[:-1]
    if len(names) != classes:
        raise InputError(
            f"{path} holds {len(names)} names, but the model has {classes} classes; give the right file with --names"
        )
    return names


def numbered_names(classes: int) -> tuple[str, ...]:
    """class0, class1, ... for models that come without names."""
    return tuple(f"class{number}" for number in range(classes))
