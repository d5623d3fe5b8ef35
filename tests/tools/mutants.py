"""Breaks named lines one at a time in a copy of the repository, runs the nearest tests, and names the mutants that survive.

    python tests/tools/mutants.py [WORD ...]

With words, only the rows of `mutants.yaml` whose file or description holds one of them. The copy is imported instead of the
installed package, for the path of the environment comes first. Mutation libraries look for a package below the root, and
here the root is the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutants.yaml")
LONGEST = 600.0
"""Seconds after which tests count as failed: a broken loop may not end."""


@dataclass(frozen=True)
class Mutant:
    """A row of the table: `old`, which occurs once in `file`, becomes `new`; one of `tests` must then fail."""

    what: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def fits(self) -> bool:
        """Whether the row still speaks of the code as it is."""
        path = ROOT / self.file
        return path.is_file() and path.read_text(encoding="utf-8").count(self.old) == 1


def read_table() -> list[Mutant]:
    return [Mutant(**row) for row in yaml.safe_load(TABLE.read_text(encoding="utf-8"))]


def passes(copy: Path, tests: str) -> bool:
    """Whether the tests pass on the copy."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    environment = os.environ | {"PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest {tests}: {done.stdout.decode()[-2000:]}{done.stderr.decode()[-2000:]}")
    return done.returncode == 0


@contextmanager
def broken(copy: Path, mutant: Mutant) -> Iterator[None]:
    """The copy with this mutant in it."""
    path = copy / mutant.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def _built(folder: Path, names: list[str]) -> set[str]:
    """What building a wheel leaves at the root; rooms of that name stay."""
    return {"build"} & set(names) if folder == ROOT else set()


def make_copy(folder: Path) -> Path:
    """The repository as a package named trtzoo, beside a link to what lies beside the original."""
    copy = folder / "trtzoo"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=lambda where, names: left_out(where, names) | _built(Path(where), names))
    if (ROOT.parent / "shared").is_dir():
        (folder / "shared").symlink_to(ROOT.parent / "shared")
    return copy


def main(words: Sequence[str]) -> int:
    """Exit code 1 where a mutant survived or a row does not fit the code."""
    chosen = [one for one in read_table() if not words or any(word in f"{one.file} {one.what}" for word in words)]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        copy = make_copy(Path(folder))
        sound = cache(lambda tests: passes(copy, tests))
        for mutant in chosen:
            verdict = _verdict(copy, mutant, sound)
            wrong += verdict != "killed"
            print(f"{verdict:9} {mutant.file}: {mutant.what}", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} killed")
    return 1 if wrong else 0


def _verdict(copy: Path, mutant: Mutant, sound: Callable[[str], bool]) -> str:
    if not mutant.fits:
        return "misfit"
    if not sound(mutant.tests):
        return "untested"
    with broken(copy, mutant):
        return "SURVIVED" if passes(copy, mutant.tests) else "killed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
