"""DarkNet's cfg text as sections of options that remember their line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...files import refuse_stand_in, require_file

LIMIT = 1_000_000
"""No integer of a real cfg's layers is larger; one that is gets refused before anybody multiplies it."""

COMMENT = re.compile(";|//")
"""Begins what a cfg's author meant as a comment; DarkNet knows comments only as whole lines, and numbers that end before them."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WEB_PAGE = re.compile(rb"<\s*(!doctype\s+html|html|head)\b", re.IGNORECASE)
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
    """Read a cfg; returns its sections in order, and notes about what DarkNet passes over in silence.

    Raises:
        InputError: missing, not text, or a bracket that names no section.
    """
    require_file(path, "a DarkNet cfg")
    reader = _Reader(path)
    for number, line in _lines(path):
        reader.add(number, line)
    if not reader.sections:
        raise InputError(
            f"{path} holds no [section], so it is no DarkNet cfg; give the .cfg that belongs to the weights"
        )
    return reader.sections, reader.notes()


class _Reader:
    """Collects sections line by line, and the lines of which DarkNet uses less than stands there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sections: list[Section] = []
        self._options: dict[str, Option] = {}
        self._twice: list[str] = []
        self._stray: list[int] = []
        self._cut: list[int] = []

    def add(self, number: int, line: str) -> None:
        """One line, without white space and comments."""
        if line.startswith("["):
            self._open(number, line)
            return
        key, equals, value = line.partition("=")
        if not equals or not key:
            self._stray.append(number)
            return
        read = _as_darknet_reads(value)
        if read != value:
            self._cut.append(number)
        self._add_option(number, key, read)

    def _open(self, number: int, line: str) -> None:
        if not line.endswith("]"):
            raise InputError(f"{self.path}:{number}: {line[:60]!r} is no section; write [name]")
        self._options = {}
        self.sections.append(Section(self.path, line[1:-1], number, self._options))

    def _add_option(self, number: int, key: str, value: str) -> None:
        where = f"{self.path}:{number}:"
        if not (key + value).isascii():
            raise InputError(
                f"{where} {key[:30]!r}={value[:30]!r} holds characters that are not ASCII; save the cfg as plain text"
            )
        if not self.sections:
            raise InputError(f"{where} {key}= stands before the first [section]; a cfg begins with [net]")
        first = self._options.setdefault(key, Option(value, number))
        if first.line != number:
            name = self.sections[-1].name
            self._twice.append(f"{where} [{name}] {key}= stands twice; the first (line {first.line}) counts")

    def notes(self) -> list[str]:
        """What the user should know, a sentence each."""
        notes = list(self._twice)
        if self._stray:
            notes.append(
                f"{self.path}: {_numbered(self._stray)} neither [section] nor key=value; DarkNet passes over that, and so does trtzoo"
            )
        if self._cut:
            notes.append(
                f"{self.path}: {_numbered(self._cut)} a number with more after it; DarkNet reads the number, and so does trtzoo"
            )
        return notes


def _numbered(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"line {shown} is" if len(lines) == 1 else f"lines {shown} are"


def _as_darknet_reads(value: str) -> str:
    """What atoi and atof take of a number or a list of numbers; words stay as they are, DarkNet compares all of them."""
    if not _NUMBER.match(value):
        return value
    parts = COMMENT.split(value)[0].split(",")
    return ",".join(number.group() if (number := _NUMBER.match(part)) else part for part in parts)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and content, without white space, comments and empty lines (DarkNet drops every blank, also inside)."""
    data = path.read_bytes()
    encoding = _OTHER_ENCODINGS.get(data[:2]) or ("binary data" if b"\0" in data[:4096] else None)
    if encoding:
        raise InputError(f"{path} is {encoding}, not plain text; save the cfg as UTF-8")
    if _WEB_PAGE.search(data[:4096]):
        raise InputError(f"{path} is a web page, not the cfg that it shows; fetch the file itself (on GitHub: Raw)")
    refuse_stand_in(path, data[:64])
    # Comments may be in any 8-bit encoding, and Latin-1 decodes them all; what counts is ASCII and checked to be.
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n"), start=1):
        content = "".join(line.split())
        if content and content[0] not in "#;":
            content = content.split("#")[0]
            if content:
                yield number, content
