"""Class names: from a text file, numbered, or looked up where a model knows its classes by WordNet ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from ..errors import InputError
from ..files import StrPath, require_file


def read_names(path: StrPath, classes: int) -> tuple[str, ...]:
    """Read one class name a line.

    Args:
        path: a text file.
        classes: how many the model has.

    Raises:
        InputError: missing, not text, or another number of names.
    """
    path = require_file(path, "class names, one a line")
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


def readable_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, with WordNet ids of ImageNet's classes (`n03769881`) as the words that Keras and Ultralytics show (`minibus`)."""
    return tuple(_imagenet().get(name, name) if _WORDNET_ID.fullmatch(name) else name for name in names)


_WORDNET_ID = re.compile(r"n\d{8}")


@lru_cache(maxsize=1)
def _imagenet() -> Mapping[str, str]:
    """WordNet id -> name of ImageNet's thousand classes."""
    lines = (Path(__file__).parent / "imagenet_names.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines)
    return {number: name for number, _, name in pairs}
