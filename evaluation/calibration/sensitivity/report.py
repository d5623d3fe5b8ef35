"""The analysis as a file."""

from __future__ import annotations

import json
from pathlib import Path

from ....contract.documents import from_document, to_document
from ....errors import InputError
from ....files import make_folder, require_file, write_json
from .analyse import SCHEMA, Analysis

ADVICE = "run `trtzoo calibrate --analyse` again"


def write_analysis(path: Path, analysis: Analysis) -> None:
    """Write it as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    make_folder(path.parent)
    write_json(path, to_document(analysis))


def read_analysis(path: Path) -> Analysis:
    """What `write_analysis` wrote.

    Raises:
        InputError: no such file, damaged, or of a later trtzoo.
    """
    require_file(path, "an analysis of `trtzoo calibrate --analyse`")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}); {ADVICE}") from error
    found = from_document(document, Analysis, str(path), ADVICE)
    if found.schema > SCHEMA:
        raise InputError(f"{path} was written by a later trtzoo (schema {found.schema}); upgrade trtzoo")
    return found
