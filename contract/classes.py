"""Classes as users name them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from ..errors import InputError


def class_numbers(wanted: Iterable[str], names: Sequence[str]) -> frozenset[int]:
    """The numbers of classes given by name or number.

    Raises:
        InputError: a class that is not among the names; the message suggests one that is written alike.
    """
    return frozenset(_number(text, names) for text in wanted)


def _number(text: str, names: Sequence[str]) -> int:
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    near = difflib.get_close_matches(text, names, 1)
    some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise InputError(f"no class {text!r} in this model; {f'did you mean {near[0]!r}?' if near else f'it has {some}'}")
