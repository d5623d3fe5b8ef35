"""The rooms keep to themselves: who may import whom, what may be imported at start, and what gets into a wheel."""

from __future__ import annotations

import ast
import configparser
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    ("errors",),
    ("files",),
    ("opencv",),
    ("contract",),
    ("graph",),
    ("converters", "graph_passes"),
    ("engines",),
    ("data",),
    ("evaluation", "bundles", "zoo"),
    ("pipeline", "inspection", "machine"),
    ("console",),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up: a room imports itself and the floors below it, nothing beside or above it.

The root's `__init__` only names what is public, so it may point anywhere.
"""

ROOMS = tuple(name for floor in FLOORS for name in floor if (ROOT / name).is_dir())
NOT_IN_THE_PACKAGE = ("tests", "samples", "benchmarks", "docs", "build", "dist", "demo")

OPTIONAL = {
    "tritonclient",
    "pytask",
    "pytask_parallel",
    "ray",
    "torch",
    "torchvision",
    "ultralytics",
    "tensorrt",
    "tensorrt_rtx",
    "tensorrt_rtx_bindings",
    "onnxsim",
}
SLOW = {"onnxruntime", "cv2", "rich", "jinja2", "msgspec", "requests", "shtab", "tomllib", "yaml"}
"""Installed with trtzoo, but imported only by the functions that use them, so that the command line starts at once."""

NEEDS_TORCH = {
    "converters/vocabulary/torch_ops.py",
    *(f"evaluation/calibration/distill/{name}.py" for name in ("student", "loss", "pictures", "training")),
}
"""Imported by the torch backend only."""


FILE_SCHEMAS = {"zoo/manifest.py", "zoo/single.py"}
"""What users' own files may hold, declared as msgspec's classes; imported by the commands that read such files only."""


def modules() -> list[Path]:
    """Every module of the package, relative to the root."""
    folders = [ROOT, *(path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py"))]
    return sorted(path.relative_to(ROOT) for folder in folders for path in folder.glob("*.py"))


def data_files() -> list[Path]:
    """Every file in a folder of the package that is no package itself, such as templates."""
    inside = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file())
    return sorted(
        path.relative_to(ROOT)
        for path in inside
        if path.suffix not in (".py", ".pyc") and path.parent.name != "__pycache__"
    )


def imports(module: Path, everywhere: bool = True) -> Iterator[tuple[int, str, int]]:
    """Level (leading dots), dotted name and line of each import; `everywhere` also those inside of functions.

    Imports for the type checker alone count as `everywhere`.
    """
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else _at_import(tree.body):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            names = [name] if name else [alias.name for alias in node.names]
            yield from ((node.level, one, node.lineno) for one in names)


def _at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that run when a module is imported."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        for part in ("body", "orelse", "handlers", "finalbody"):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from _at_import(getattr(node, part, []))


def target_of(module: Path, level: int, name: str) -> str:
    """The dotted place in the package that a relative import means, "" for the root itself."""
    base = module.parent.parts
    assert level - 1 <= len(base), f"{module} imports from above the package"
    return ".".join([*base[: len(base) - level + 1], *filter(None, [name])])


def inside(module: Path) -> Iterator[tuple[str, int]]:
    """What a module imports from the package, and the lines."""
    return ((target_of(module, level, name), line) for level, name, line in imports(module) if level)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_within_the_package_are_relative(module):
    wrong = [(name, line) for level, name, line in imports(module) if not level and name.split(".")[0] == "trtzoo"]
    assert not wrong


def floor_of(place: str) -> int | None:
    """How high the room of a dotted place lies, None for the root's `__init__`."""
    first = place.partition(".")[0]
    return next((height for height, names in enumerate(FLOORS) if first in names), None)


def place_of(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix("__init__").rstrip(".")


def test_every_module_has_a_floor():
    assert [str(module) for module in modules() if floor_of(place_of(module)) is None] == ["__init__.py"]


@pytest.mark.parametrize("module", [path for path in modules() if path != Path("__init__.py")], ids=str)
def test_rooms_import_only_those_below(module):
    own = place_of(module).partition(".")[0]
    height = floor_of(own)
    wrong = [
        (place, line)
        for place, line in inside(module)
        if (other := place.partition(".")[0]) != own and floor_of(other) is not None and floor_of(other) >= height
    ]
    assert not wrong


CONTRACT_IMPORTS = {"numpy", "onnx", "onnx_graphsurgeon"}


@pytest.mark.parametrize("module", [path for path in modules() if path.parts[0] == "contract"], ids=str)
def test_the_contract_is_plain_data(module):
    assert not CONTRACT_IMPORTS & {name.split(".")[0] for level, name, _ in imports(module) if not level}


def test_opencv_is_taken_from_one_place():
    """So that every use of it says what to install where it is missing."""
    users = [
        str(module) for module in modules() if "cv2" in {name for level, name, _ in imports(module, True) if not level}
    ]
    assert users == ["opencv.py"]


@pytest.mark.parametrize("module", modules(), ids=str)
def test_heavy_packages_are_imported_only_where_they_are_used(module):
    allowed = {"torch"} if str(module) in NEEDS_TORCH else {"msgspec"} if str(module) in FILE_SCHEMAS else set()
    allowed |= {"cv2"} if str(module) == "opencv.py" else set()
    names = {name.split(".")[0] for level, name, _ in imports(module, everywhere=False) if not level}
    assert not names & (OPTIONAL | SLOW) - allowed


def run(code: str, *options: str, **more) -> str:
    """The output of Python code in a process of its own."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


REPORT = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"

LIGHT = {
    "import trtzoo": ("import trtzoo", {"numpy", "onnx", "onnx_graphsurgeon"}),
    "the parser": ("from trtzoo.cli import build_parser; build_parser()", {"numpy", "onnx", "onnx_graphsurgeon"}),
    "errors": ("from trtzoo import TrtZooError", {"numpy", "onnx", "onnx_graphsurgeon"}),
    "the metadata": ("from trtzoo import ModelMeta, NmsSettings", {"numpy", "onnx", "onnx_graphsurgeon"}),
    "the predictor": ("from trtzoo import Predictor, open_runtime", {"onnx", "onnx_graphsurgeon"}),
}


@pytest.mark.parametrize(("code", "absent"), LIGHT.values(), ids=LIGHT)
def test_what_is_imported_at_start(code, absent):
    loaded = set(run(f"{code}; {REPORT}").split())
    assert "trtzoo" in loaded
    assert not loaded & (absent | OPTIONAL | SLOW)


def test_help_imports_nothing_heavy():
    code = f"""
import contextlib, io
from trtzoo.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(['--help'])
{REPORT}"""
    assert not set(run(code).split()) & (OPTIONAL | SLOW | {"numpy", "onnx", "onnx_graphsurgeon"})


def test_every_module_can_be_imported_without_the_optional_packages():
    names = [".".join(["trtzoo", *path.with_suffix("").parts]) for path in modules() if str(path) not in NEEDS_TORCH]
    names = [name.removesuffix(".__init__") for name in names]
    code = f"""
import importlib, sys
for name in {sorted(OPTIONAL)!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
print(len({names!r}))"""
    assert int(run(code)) > 50


def folders_with_modules() -> set[str]:
    return {str(path.parent) for path in modules()}


def test_setup_cfg_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    assert listed == {".".join(["trtzoo", *Path(folder).parts]) for folder in folders_with_modules()}


def test_no_module_lies_in_a_folder_that_is_no_package():
    stray = [
        path.relative_to(ROOT)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    ]
    assert not stray


def test_a_wheel_holds_every_module_and_works(tmp_path):
    """Built from a copy, since building leaves a folder behind; with the installed setuptools, so that it needs no network."""
    copy = tmp_path / "source"
    hidden = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")

    def ignored(folder: str, names: list[str]) -> set[str]:
        outside = set(NOT_IN_THE_PACKAGE) if Path(folder) == ROOT else set()
        return hidden(folder, names) | outside & set(names)

    shutil.copytree(ROOT, copy, ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(copy),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("trtzoo-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        files = {name for name in archive.namelist() if name.startswith("trtzoo/")}
    assert files == {f"trtzoo/{path.as_posix()}" for path in [*modules(), *data_files()]} | {"trtzoo/py.typed"}
    code = "import trtzoo, trtzoo.cli; print(trtzoo.__file__); [getattr(trtzoo, name) for name in trtzoo.__all__]"
    printed = run(
        code, "-P" if sys.version_info >= (3, 11) else "-B", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")}
    )
    assert printed.strip() == str(tmp_path / "site" / "trtzoo" / "__init__.py")
