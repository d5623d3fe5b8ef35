"""`coco.json`: the results of all pictures in COCO's form."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ....errors import InputError
from ....files import printable
from .result import Ending, Result

NAME = "coco.json"


class CocoResults:
    """One list of results, as `pycocotools.coco.COCO.loadRes` reads it.

    A picture's id is the number in its name where the name is one, as COCO's are, else the name.

    Args:
        folder: of the results.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._temporary = folder / f".{NAME}.{os.getpid()}"
        try:
            self._stream = self._temporary.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._refusal(error) from error
        self._comma = "["

    def write(self, result: Result) -> None:
        """Add the objects of one picture."""
        stem = result.stem
        for entry in result.found.to_coco(int(stem) if stem.isdecimal() else printable(stem)):
            try:
                self._stream.write(f"{self._comma}\n{json.dumps(entry)}")
            except OSError as error:
                raise self._refusal(error) from error
            self._comma = ","

    def close(self, ending: Ending) -> None:
        """End the list; it is whole even when the run was not."""
        try:
            self._stream.write("[]\n" if self._comma == "[" else "\n]\n")
            self._stream.close()
            self._temporary.replace(self._path)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> InputError:
        return InputError(f"cannot write {printable(self._path)}: {error.strerror}; choose another folder with -o")
