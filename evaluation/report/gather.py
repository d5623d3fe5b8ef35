"""Results files of several commands and machines, read and put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...errors import InputError
from ..benchmark.results import SCHEMA as BENCH
from ..benchmark.results import BenchResults
from ..models import ModelFacts
from ..results_file import as_results, read_document
from ..validation.results import SCHEMA as VAL
from ..validation.results import ValResults
from ..verification.results import SCHEMA as VERIFY
from ..verification.results import VerifyResults
from .results import SCHEMA as REPORT
from .results import ReportResults

Results = ReportResults | VerifyResults | ValResults | BenchResults
KINDS: dict[str, type[Results]] = {
    REPORT: ReportResults,
    VERIFY: VerifyResults,
    VAL: ValResults,
    BENCH: BenchResults,
}
"""The results that a page shows, by schema."""

T = TypeVar("T")


@dataclass(frozen=True)
class Gathered:
    """What goes into a page, in the order of the call.

    Attributes:
        results: of each file.
    """

    results: tuple[Results, ...]

    def of(self, kind: type[T]) -> list[T]:
        """Those of one command."""
        return [one for one in self.results if isinstance(one, kind)]

    def models(self) -> list[ModelFacts]:
        """Every model once, though several machines have measured it."""
        found: dict[tuple[str, str], ModelFacts] = {}
        for results in self.results:
            for one in _models(results):
                found.setdefault((one.label, one.sha256), one)
        return list(found.values())

    def verified(self) -> list[VerifyResults]:
        """Those of `verify`, and of the models that `report` was given."""
        inside = [one for report in self.of(ReportResults) for one in report.verified]
        return [*inside, *self.of(VerifyResults)]


def _models(results: Results) -> list[ModelFacts]:
    if isinstance(results, VerifyResults):
        return [results.reference, results.candidate]
    return [one.model for one in results.models]


def is_results(path: Path) -> bool:
    """Whether a path is of results files rather than of a model."""
    return path.suffix == ".json" or path.is_dir()


def read_results(paths: Sequence[Path]) -> list[Results]:
    """The results in some files, and in the files val.json, bench.json, ... of some folders.

    Raises:
        InputError: one is no results file, or a folder holds none.
    """
    return [_read(path) for place in paths for path in _files(place)]


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    names = [f"{schema.removeprefix('trtzoo.')}.json" for schema in KINDS]
    found = [place / name for name in names if (place / name).is_file()]
    if not found:
        raise InputError(
            f"{place} holds no results file ({', '.join(names)}); give the folder that verify, val or bench wrote to"
        )
    return found


def _read(path: Path) -> Results:
    schema, document = read_document(path)
    if schema not in KINDS:
        raise InputError(
            f"{path} holds results of {schema}, which a page does not show; give one of {', '.join(KINDS)}"
        )
    return as_results(path, document, KINDS[schema])
