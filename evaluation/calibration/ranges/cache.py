"""Ranges in a readable JSON file, found again only for the same model, pictures, preprocessing and method."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import InputError
from ....files import atomic_write, make_folder, write_json
from ....graph.weights import Array
from ....graph_passes.precision.qdq.insert import Quantisation

SCHEMA = 2
Key = Mapping[str, Any]
"""Everything that the numbers depend on: JSON values, digests for the model and the pictures."""


@dataclass(frozen=True)
class Kept:
    """What a file of ranges holds.

    Attributes:
        numbers: thresholds and biases.
        unreadable: places of the pictures, in the order of the sample, that could not be read.
    """

    numbers: Quantisation
    unreadable: tuple[int, ...] = ()


def cache_path(folder: Path, stem: str, key: Key) -> Path:
    """Where the numbers of this key are kept: the name holds a hash of the whole key."""
    return folder / f"{stem}.{_digest(key)}.json"


def save(path: Path, key: Key, kept: Kept) -> None:
    """Write the thresholds and biases of a quantised network, and what was not read for them.

    Raises:
        InputError: the file cannot be written.
    """
    make_folder(path.parent)
    ranges = {name: _short(value) for name, value in kept.numbers.thresholds.items()}
    biases = {name: [_short(value) for value in values] for name, values in kept.numbers.biases.items()}
    unreadable = list(kept.unreadable)
    write_json(path, {"schema": SCHEMA, "key": dict(key), "unreadable": unreadable, "ranges": ranges, "biases": biases})


def load(path: Path, key: Key | None = None) -> Kept | None:
    """What a file holds; None where there is no file, or it is of another key (None takes any).

    Raises:
        InputError: it is damaged, or of a later trtzoo.
    """
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] > SCHEMA:
            raise InputError(f"{path} was written by a later trtzoo (schema {document['schema']}); upgrade trtzoo")
        if key is not None and (document["schema"], document["key"]) != (SCHEMA, json.loads(json.dumps(dict(key)))):
            return None
        ranges = {str(name): float(np.float32(value)) for name, value in document["ranges"].items()}
        biases = {str(name): np.array(values, np.float32) for name, values in document["biases"].items()}
        unreadable = tuple(map(int, document.get("unreadable", ())))
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no ranges that can be read ({error}); delete it and calibrate again") from error
    return Kept(Quantisation(ranges, biases), unreadable)


def save_arrays(path: Path, numbers: Quantisation, notes: Sequence[str] = ()) -> None:
    """Write everything of a quantised network, trained weights too, and what the user was told, as a numpy archive.

    Raises:
        InputError: the file cannot be written.
    """
    make_folder(path.parent)
    parts = {"biases": numbers.biases, "weights": numbers.weights, "weight_scales": numbers.weight_scales}
    arrays = {f"{part}|{name}": array for part, entries in parts.items() for name, array in entries.items()}
    arrays["names"] = np.array(list(numbers.thresholds))
    arrays["thresholds"] = np.array(list(numbers.thresholds.values()))
    arrays["notes"] = np.array(list(notes), dtype=np.str_)
    with atomic_write(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> Quantisation:
    """What `save_arrays` wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            thresholds = dict(zip(archive["names"].tolist(), archive["thresholds"].tolist(), strict=True))
            parts: dict[str, dict[str, Array]] = {"biases": {}, "weights": {}, "weight_scales": {}}
            for key in archive.files:
                part, bar, name = key.partition("|")
                if bar:
                    parts[part][name] = archive[key]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds no ranges that can be read ({error}); calibrate again") from error
    return Quantisation(thresholds, **parts)


def read_notes(path: Path) -> tuple[str, ...]:
    """What `save_arrays` was given to tell; the archive was read before."""
    with np.load(path, allow_pickle=False) as archive:
        return tuple(archive["notes"].tolist()) if "notes" in archive else ()


def _digest(key: Key) -> str:
    return hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:12]


def _short(value: float) -> float:
    """The shortest decimal that is the same float32."""
    return float(str(np.float32(value)))
