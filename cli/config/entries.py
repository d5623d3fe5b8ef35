"""What a configuration file holds: keys, values as they were written, and the line of each."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ...contract.yaml_lines import read_node
from ...errors import InputError


@dataclass(frozen=True)
class Entry:
    """What stands behind a key.

    Attributes:
        place: file and line, "trtzoo.yaml:3".
        value: a switch; text as it was written, numbers too; several of these; keys and what stands behind them; None for nothing.
    """

    place: str
    value: bool | str | list[bool | str | None] | Mapping[str, Entry] | None


Entries: TypeAlias = Mapping[str, Entry]

_TRUE = ("yes", "true", "on")  # YAML 1.1, as PyYAML reads it


def read_yaml(path: Path) -> Entries:
    """The entries of a YAML file; an empty file, /dev/null too, has none.

    Raises:
        InputError: with file and line, what cannot be read.
    """
    if not path.exists():
        raise InputError(f"no such file: {path} (a configuration in YAML); check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder (a configuration in YAML expected); give the file itself")
    node, _ = read_node(path)
    if node is None or (node.id == "scalar" and node.tag.endswith(":null")):
        return {}
    if node.id != "mapping":
        raise InputError(
            f"{path}:{node.start_mark.line + 1}: flags were expected, as `conf-thres: 0.3`; write one a line"
        )
    return _mapping(node, path)


def _mapping(node: Any, path: Path) -> dict[str, Entry]:
    return {
        key.value: Entry(
            f"{path}:{key.start_mark.line + 1}", _node_value(value, f"{path}:{key.start_mark.line + 1}", path)
        )
        for key, value in node.value
    }


def _node_value(node: Any, place: str, path: Path) -> Any:
    if node.id == "mapping":
        return _mapping(node, path)
    if node.id == "sequence":
        return [_scalar(item, place) for item in node.value]
    return _scalar(node, place)


def _scalar(node: Any, place: str) -> bool | str | None:
    if node.id != "scalar":
        raise InputError(f"{place}: a list holds numbers and words; write it flat")
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    return node.value.lower() in _TRUE if kind == "bool" else str(node.value)


def read_pyproject(path: Path) -> Entries:
    """The entries of the table `[tool.trtzoo]` of a pyproject.toml; none where there is no such file or table.

    Raises:
        InputError: with file and line, what cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    if "trtzoo" not in text:  # so that a project that does not use this pays nothing for it
        return {}
    document = _parse_toml(text, path)
    table = document.get("tool", {})
    found = table.get("trtzoo", {}) if isinstance(table, dict) else {}
    lines = dict(_toml_lines(text))
    if not isinstance(found, dict):
        raise InputError(
            f"{path}:{lines.get(('tool', 'trtzoo'), 1)}: [tool.trtzoo] is a table; write its flags below it"
        )
    return _table(found, ("tool", "trtzoo"), lines, path)


def _parse_toml(text: str, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        document: dict[str, Any] = tomllib.loads(text, parse_float=str)  # 8.10 is no 8.1
        return document
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise InputError(f"{path}{f':{line[1]}' if line else ''}: {error}; mend the TOML") from error


def _table(
    table: Mapping[str, Any], where: tuple[str, ...], lines: Mapping[tuple[str, ...], int], path: Path
) -> Entries:
    made = {}
    for key, value in table.items():
        inner = (*where, key)
        place = f"{path}:{_line(inner, lines)}"
        made[key] = Entry(place, _toml_value(value, inner, lines, path, place))
    return made


def _line(where: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """Of the key, or of the table that it stands in."""
    return next((lines[where[:end]] for end in range(len(where), 0, -1) if where[:end] in lines), 1)


def _toml_value(
    value: Any, where: tuple[str, ...], lines: Mapping[tuple[str, ...], int], path: Path, place: str
) -> Any:
    if isinstance(value, dict):
        return _table(value, where, lines, path)
    if isinstance(value, list):
        if any(isinstance(item, (list, dict)) for item in value):
            raise InputError(f"{place}: a list holds numbers and words; write it flat")
        return [item if isinstance(item, bool) else str(item) for item in value]
    return value if isinstance(value, bool) else str(value)


def _toml_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of each table and key; tomllib does not tell. Keys within values of several lines are of no use, and do no harm."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]\s*(#|$)", line):
            table = _parts(header[1])
            yield table, number
        elif key := re.match(r"""\s*([\w."'-]+(?:\s*\.\s*[\w"'-]+)*)\s*=""", line):
            parts = (*table, *_parts(key[1]))
            yield from ((parts[:end], number) for end in range(len(table) + 1, len(parts) + 1))


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
