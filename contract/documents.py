"""Dataclasses as JSON values and back; what is read is held against the types that the dataclass declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, TrtZooError

T = TypeVar("T")


def to_document(value: Any) -> Any:
    """`value`, a dataclass or anything made of them, as JSON values: objects, lists, numbers, strings, None.

    Paths become strings. Properties are left out.
    """
    import msgspec

    return msgspec.to_builtins(value, enc_hook=_plain)


def from_document(document: object, kind: type[T], where: str, advice: str) -> T:
    """What `to_document` wrote.

    Keys that `kind` does not know are ignored, for a later version may have written them; missing ones take their defaults.

    Args:
        document: JSON values.
        kind: the dataclass to make, or a type made of them, such as `tuple[Layer, ...]`.
        where: the document's name, for the error.
        advice: what to do about a damaged one.

    Raises:
        InputError: a value has another type than declared, is no choice or out of range, or a value without default is missing.
    """
    import msgspec

    try:
        made: T = msgspec.convert(document, kind, dec_hook=_special)
    except (msgspec.ValidationError, TrtZooError) as error:
        raise InputError(f"{where} is damaged ({error}); {advice}") from error
    return made


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def _special(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
