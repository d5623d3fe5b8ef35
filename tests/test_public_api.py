"""What `import trtzoo` offers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import trtzoo


@pytest.mark.parametrize("name", trtzoo.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    value = getattr(trtzoo, name)
    assert value.__name__ == name
    assert value.__doc__ and len(value.__doc__) > 20


def test_names_are_sorted_listed_and_complete():
    assert trtzoo.__all__ == sorted(trtzoo.__all__)
    assert set(trtzoo.__all__) <= set(dir(trtzoo))
    assert dir(trtzoo) == sorted(dir(trtzoo))
    assert set(trtzoo._HOMES) == set(trtzoo.__all__)


def test_the_type_checker_sees_what_the_interpreter_sees():
    """The imports for the type checker name the homes of the lazy ones."""
    tree = ast.parse(Path(trtzoo.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    homes = {alias.name: str(node.module) for node in imports for alias in node.names}
    assert homes == trtzoo._HOMES


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'trtzoo' has no attribute 'nonsense'"):
        _ = trtzoo.nonsense
    assert not hasattr(trtzoo, "nonsense")


def test_a_star_import_brings_the_public_names():
    space: dict[str, object] = {}
    exec("from trtzoo import *", space)
    assert set(trtzoo.__all__) <= set(space)


def test_settings_have_types_that_resolve():
    for name in ("ConvertSettings", "EndToEnd", "ModelMeta", "NmsSettings", "ReadOptions", "Detections"):
        value = getattr(trtzoo, name)
        assert typing.get_type_hints(value)


def test_settings_are_frozen():
    for name in ("ConvertSettings", "EndToEnd", "NmsSettings", "ReadOptions"):
        settings = getattr(trtzoo, name)()
        field = next(iter(settings.__dataclass_fields__))
        with pytest.raises(AttributeError):
            setattr(settings, field, None)


@pytest.mark.parametrize(
    "options",
    [["-m", "trtzoo", "--version"], ["-c", "import trtzoo; print('trtzoo', trtzoo.__version__)"]],
    ids=["the command line", "the module"],
)
def test_the_version(options):
    done = subprocess.run([sys.executable, *options], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"trtzoo \d+\.\d+\.\d+\S*\n", done.stdout)
    assert done.stdout.split()[1] == trtzoo.__version__
    assert done.stderr == ""
