"""Results files: JSON with the name and version of its schema first, so that figures from several machines meet in one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from ..contract.documents import from_document, to_document
from ..errors import InputError
from ..files import write_json

VERSION = 1
"""Of every schema; raised when a value changes its meaning. Values may be added without."""

T = TypeVar("T")


def as_json(schema: str, results: Any) -> dict[str, Any]:
    """A results dataclass as JSON values under its schema's name, "trtzoo.val"."""
    return {"schema": schema, "version": VERSION, **to_document(results)}


def write_results(path: Path, schema: str, results: Any) -> None:
    """Write what `as_json` makes."""
    write_json(path, as_json(schema, results))


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """The schema's name and the values of a results file.

    Raises:
        InputError: it is no results file of trtzoo, or of a later one.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON: {error}; give a results file of verify, val or bench"
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, str) or not schema.startswith("trtzoo."):
        raise InputError(f"{path} is no results file of trtzoo; give what verify, val or bench wrote")
    version = document.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise InputError(
            f"{path} is of version {version} of its schema, this trtzoo reads up to {VERSION}; upgrade trtzoo"
        )
    return schema, document


def as_results(path: Path, document: dict[str, Any], kind: type[T]) -> T:
    """The values of a results file as their dataclass.

    Raises:
        InputError: the file is damaged.
    """
    return from_document(document, kind, str(path), "make it again")
