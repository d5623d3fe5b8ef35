"""Classes as users name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import InputError
from .near import did_you_mean


def class_numbers(wanted: Iterable[str], names: Sequence[str]) -> frozenset[int]:
    """The numbers of classes given by name or number.

    Raises:
        InputError: a class that is not among the names.
    """
    return frozenset(_number(text, names) for text in wanted)


def _number(text: str, names: Sequence[str]) -> int:
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise unknown_class(text, names)


def unknown_class(text: str, names: Sequence[str]) -> InputError:
    """The error about a class that is not among the names; it suggests one that is written alike."""
    some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return InputError(f"no class {text!r} in this model; {did_you_mean(text, names) or f'it has {some}'}")
