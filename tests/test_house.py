"""How the house is kept: the size of files and folders, circles, `Any`, and a test file for each file with a formula."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    "bundles",
    "cli",
    "contract",
    "converters",
    "data",
    "engines",
    "evaluation",
    "graph",
    "graph_passes",
    "machine",
    "pipeline",
    "zoo",
)
CODE = (*ROOMS, "tests", "benchmarks", "samples")

LONGEST = 400
"""Lines of a file."""
FULLEST = 13
"""Modules of a folder."""
ANY_PER_THOUSAND = 8

FORMULA = 5
"""Arithmetic operators from which on a file counts as one that holds a formula."""

TESTED_ELSEWHERE = {
    "bundles/deepstream/bundle.py": "tests/bundles/test_deepstream_config.py",
    "bundles/triton/repository.py": "tests/bundles/test_triton.py",
    "converters/checkpoint/pickle_machine.py": "tests/converters/checkpoint/test_hostile.py",
    "converters/checkpoint/tree.py": "tests/converters/checkpoint/test_facts.py",
    "converters/checkpoint/values.py": "tests/converters/checkpoint/test_records.py",
    "converters/checkpoint/zip_directory.py": "tests/converters/checkpoint/test_bounds.py",
    "converters/foreign_onnx/export.py": "tests/converters/foreign_onnx/test_recognise.py",
    "converters/vocabulary/torch_ops.py": "tests/converters/vocabulary/test_ops.py",
    "converters/vocabulary/onnx_ops.py": "tests/converters/vocabulary/test_ops.py",
    "engines/pictures/results/yolo_text.py": "tests/cli/detect/test_detect_outputs.py",
    "evaluation/benchmark/memory.py": "tests/evaluation/benchmark/test_child.py",
    "evaluation/benchmark/run.py": "tests/evaluation/benchmark/test_bench.py",
    "evaluation/environment.py": "tests/evaluation/benchmark/test_bench.py",
    "evaluation/stages.py": "tests/evaluation/benchmark/test_measure.py",
    "evaluation/validation/plots.py": "tests/evaluation/validation/test_validate.py",
    "evaluation/validation/run.py": "tests/evaluation/validation/test_validate.py",
    "evaluation/verification/original.py": "tests/cli/test_verify.py",
    "graph_passes/layouts/flat.py": "tests/graph_passes/layouts/test_reading_back.py",
}
"""Files whose arithmetic counts bytes, draws, or is the same as its neighbours', so that one test file serves several of them."""


def files(*folders: str) -> list[Path]:
    """Python files below these folders, relative to the root."""
    found = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def test_no_file_is_too_long():
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files(*CODE)}
    assert len(lengths) > 500
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_no_folder_is_too_full():
    counts = Counter(path.parent for path in files(*CODE))
    assert {str(folder): count for folder, count in counts.items() if count > FULLEST} == {}


@pytest.mark.parametrize("room", ["graph", "converters", "graph_passes"])
def test_any_is_rare(room):
    names = [node for path in files(room) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)]
    lines = sum(len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files(room))
    assert 1000 * sum(name.id == "Any" for name in names) / lines <= ANY_PER_THOUSAND


def at_import(tree: ast.Module) -> list[ast.ImportFrom]:
    """Relative imports that run when a module is imported: in no function, and not for the type checker alone."""
    found, rest = [], list(tree.body)
    while rest:
        node = rest.pop()
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(node)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            rest += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            rest += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


def needs(path: Path, node: ast.ImportFrom) -> list[Path]:
    """The modules of a relative import."""
    package = path.parent
    for _ in range(node.level - 1):
        package = package.parent
    base = package.joinpath(*(node.module or "").split("."))
    members = [base / f"{alias.name}.py" for alias in node.names if (ROOT / base / f"{alias.name}.py").is_file()]
    own = (
        base.with_suffix(".py") if node.module and (ROOT / base.with_suffix(".py")).is_file() else base / "__init__.py"
    )
    return members if len(members) == len(node.names) else [own, *members]


def test_no_modules_import_each_other_in_a_circle():
    graph = {path: {one for node in at_import(tree_of(path)) for one in needs(path, node)} for path in files(*ROOMS)}
    assert sum(map(len, graph.values())) > 1000
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(map(str, error.args[1])))


ARITHMETIC = (ast.Mult, ast.Div, ast.Sub, ast.Pow, ast.FloorDiv, ast.Mod, ast.MatMult)


def operators(path: Path) -> int:
    """Arithmetic operators but for the sum (which joins texts and lists) and for paths and formats."""
    products = (
        node for node in ast.walk(tree_of(path)) if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC)
    )
    return sum(not any(map(_is_text, (node.left, node.right))) for node in products)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


WITH_FORMULA = [path for path in files(*(set(ROOMS) - {"cli"})) if operators(path) >= FORMULA]


def own_tests(path: Path) -> list[Path]:
    """Test files of a module's name, in its room."""
    stem = path.parent.name if path.stem == "__init__" else path.stem
    return [test for test in files(f"tests/{path.parts[0]}") if test.stem.startswith(f"test_{stem}")]


@pytest.mark.parametrize("path", WITH_FORMULA, ids=str)
def test_a_file_with_a_formula_has_a_test_file(path):
    """Of its name, or the one that several files share."""
    elsewhere = TESTED_ELSEWHERE.get(str(path))
    tests = [Path(elsewhere)] if elsewhere else own_tests(path)
    assert tests, f"write tests/{path.parent}/test_{path.stem}.py"
    assert all("def test" in (ROOT / test).read_text(encoding="utf-8") for test in tests)


def test_only_what_needs_it_is_tested_elsewhere():
    named = [Path(path) for path in TESTED_ELSEWHERE]
    assert [str(path) for path in named if not (ROOT / path).is_file() or own_tests(path)] == []
