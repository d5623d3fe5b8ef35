"""YAML files of users, read so that every mistake in them can be named with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError

Lines = Mapping[str, int]
"""Line of each value, by its path in the notation of msgspec's messages: `$.models[0].size`."""


def read_node(path: Path) -> tuple[Any, Lines]:
    """What a YAML file holds, as PyYAML's node, which knows how each scalar was written; None for an empty file. And its lines.

    Raises:
        InputError: no text, no YAML, or a key that stands twice in one mapping.
    """
    import yaml

    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        return node, dict(_lines(node, "$")) if node else {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 (byte {error.start}); save it as such") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(f"{where}: {getattr(error, 'problem', None) or error}; mend the YAML") from error
    except RecursionError:
        raise InputError(f"{path}: values that hold each other, or too many levels; write them out flat") from None
    except _KeyError as error:
        raise InputError(f"{path}:{error.line}: a list or mapping is no key; write a word before the colon") from None
    except _DuplicateError as error:
        raise InputError(f"{path}:{error.line}: the key {error.key!r} stands here a second time; keep one") from None


def value_of(node: Any, path: Path) -> Any:
    """Numbers, strings, lists and mappings of a node of the file `path`.

    Raises:
        InputError: something that looks like a date but is none, or a tag of another program.
    """
    import yaml

    try:
        return yaml.SafeLoader("").construct_document(node) if node else None
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"{path}{f':{mark.line + 1}' if mark else ''}: {reason}; put quotes around what is text"
        ) from error


class _KeyError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _DuplicateError(Exception):
    def __init__(self, key: str, line: int) -> None:
        super().__init__(key)
        self.key, self.line = key, line


def _lines(node: Any, where: str) -> Iterator[tuple[str, int]]:
    """Path and line (from 1) of a YAML node and of all below it; a key twice in one mapping is refused."""
    yield where, node.start_mark.line + 1
    if node.id == "sequence":
        for index, item in enumerate(node.value):
            yield from _lines(item, f"{where}[{index}]")
    if node.id == "mapping":
        seen: set[str] = set()
        for key, value in node.value:
            if key.id != "scalar":
                raise _KeyError(key.start_mark.line + 1)
            if key.value in seen:
                raise _DuplicateError(str(key.value), key.start_mark.line + 1)
            seen.add(key.value)
            yield f"{where}.{key.value}", key.start_mark.line + 1
            for place, line in _lines(value, f"{where}.{key.value}"):
                if place != f"{where}.{key.value}":
                    yield place, line
