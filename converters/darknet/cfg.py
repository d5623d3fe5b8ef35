"""DarkNet's cfg text as sections of options that remember their line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...files import require_file

LIMIT = 1_000_000
"""No integer of a real cfg's layers is larger; one that is gets refused before anybody multiplies it."""

_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Option:
    """The value of a key, as text without white space, and the line it stands in."""

    text: str
    line: int


@dataclass(frozen=True)
class Section:
    """A `[name]` with its options.

    Attributes:
        file: the cfg, for messages.
        name: without the brackets, as written.
        line: of the bracket.
        options: key -> value; the first one where a key stands twice, as in DarkNet.
    """

    file: Path
    name: str
    line: int
    options: Mapping[str, Option] = field(default_factory=dict)

    def where(self, key: str | None = None) -> str:
        """`file:line: [section]`, the line being the key's if it is given and present."""
        option = self.options.get(key) if key else None
        return f"{self.file}:{option.line if option else self.line}: [{self.name}]"

    def error(self, message: str, key: str | None = None) -> InputError:
        """An error about this section, or about one of its keys."""
        return InputError(f"{self.where(key)} {message}")

    def text(self, key: str, default: str) -> str:
        """The value of a key as it stands."""
        option = self.options.get(key)
        return option.text if option else default

    def integer(self, key: str, default: int, least: int = 0, most: int = LIMIT) -> int:
        """A whole number of `least` to `most`.

        Raises:
            InputError: it is something else.
        """
        option = self.options.get(key)
        if option is None:
            return default
        value = self._number(key, option.text)
        if value != int(value) or not least <= value <= most:
            raise self.error(f"{key}={option.text}: a whole number of {least} to {most} was expected; correct it", key)
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Whether a 0/1 switch is set."""
        return self.integer(key, int(default), -LIMIT) != 0

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        option = self.options.get(key)
        return default if option is None else self._number(key, option.text)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A comma-separated list of numbers; empty where the key is absent."""
        option = self.options.get(key)
        if option is None:
            return ()
        return tuple(self._number(key, part) for part in option.text.split(",") if part)

    def integers(self, key: str) -> tuple[int, ...]:
        """A comma-separated list of whole numbers; empty where the key is absent."""
        values = self.numbers(key)
        if any(value != int(value) or abs(value) > LIMIT for value in values):
            raise self.error(f"{key}={self.options[key].text}: whole numbers were expected; correct them", key)
        return tuple(int(value) for value in values)

    def _number(self, key: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"{key}={text}: a number was expected; correct it", key)
        return value


def read_cfg(path: Path) -> tuple[list[Section], list[str]]:
    """Read a cfg; returns its sections in order, and warnings about keys that stand twice.

    Raises:
        InputError: missing, not text, or a line that is neither section nor option.
    """
    require_file(path, "a DarkNet cfg")
    sections: list[Section] = []
    warnings: list[str] = []
    for number, line in _lines(path):
        if line.startswith("["):
            if not line.endswith("]"):
                raise InputError(f"{path}:{number}: {line[:60]!r} is no section; write [name]")
            sections.append(Section(path, line[1:-1], number, {}))
        else:
            _add_option(path, sections, number, line, warnings)
    if not sections:
        raise InputError(
            f"{path} holds no [section], so it is no DarkNet cfg; give the .cfg that belongs to the weights"
        )
    return sections, warnings


def _add_option(path: Path, sections: list[Section], number: int, line: str, warnings: list[str]) -> None:
    key, equals, value = line.partition("=")
    if not equals or not key:
        raise InputError(
            f"{path}:{number}: {line[:60]!r} is neither [section] nor key=value; correct or remove the line"
        )
    if not line.isascii():
        raise InputError(
            f"{path}:{number}: {line[:60]!r} holds characters that are not ASCII; save the cfg as plain text"
        )
    if not sections:
        raise InputError(f"{path}:{number}: {key}= stands before the first [section]; a cfg begins with [net]")
    options = sections[-1].options
    if key in options:
        warnings.append(
            f"{path}:{number}: [{sections[-1].name}] {key}= stands twice; the first (line {options[key].line}) counts"
        )
    elif isinstance(options, dict):
        options[key] = Option(value, number)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and content, without white space, comments and empty lines (DarkNet drops every blank, also inside)."""
    data = path.read_bytes()
    encoding = _OTHER_ENCODINGS.get(data[:2]) or ("binary data" if b"\0" in data[:4096] else None)
    if encoding:
        raise InputError(f"{path} is {encoding}, not plain text; save the cfg as UTF-8")
    # Comments may be in any 8-bit encoding, and Latin-1 decodes them all; what counts is ASCII and checked to be.
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n"), start=1):
        content = "".join(line.split())
        if content and content[0] not in "#;":
            content = content.split("#")[0]
            if content:
                yield number, content
