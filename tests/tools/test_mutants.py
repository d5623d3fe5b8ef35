"""The table of mutants speaks of the code as it is; running it is for a person (`make mutants`)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
mutants = importlib.util.module_from_spec(SPEC)
sys.modules["mutants"] = mutants
SPEC.loader.exec_module(mutants)


@pytest.mark.parametrize("mutant", mutants.read_table(), ids=lambda one: f"{one.file}: {one.what}")
def test_each_row_fits_the_code(mutant):
    assert mutant.fits, "the line has changed: say in mutants.yaml how to break it now"
    assert all((mutants.ROOT / test.partition("::")[0]).exists() for test in mutant.tests.split())


TESTS = "from trtzoo.half import half\n\ndef test_it():\n    assert half({}) == 2\n"


@pytest.mark.parametrize(("number", "verdict"), [(5, "killed"), (4, "SURVIVED")], ids=["a good test", "a blind test"])
def test_a_mutant_is_killed_by_the_tests_that_see_it(number, verdict, tmp_path, monkeypatch):
    copy = tmp_path / "trtzoo"
    copy.mkdir()
    (copy / "__init__.py").touch()
    (copy / "half.py").write_text("def half(number):\n    return number // 2\n")
    (copy / "test_half.py").write_text(TESTS.format(number))
    monkeypatch.setattr(mutants, "ROOT", copy)
    mutant = mutants.Mutant("rounds up", "half.py", "number // 2", "-(number // -2)", "test_half.py")
    assert mutants.passes(copy, mutant.tests)
    assert mutants._verdict(copy, mutant, lambda tests: True) == verdict
    assert (copy / "half.py").read_text().endswith("number // 2\n")
