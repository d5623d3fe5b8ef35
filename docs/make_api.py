"""Write docs/api.md, the reference of what `import trtzoo` offers, from the docstrings: `make docs`."""

from __future__ import annotations

import inspect
import re
import sys
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import griffe
from griffe2md import ConfigDict, render_object_docs

import trtzoo

API = Path(__file__).with_name("api.md")

GROUPS = {
    "Functions": ("convert", "build", "deepstream", "triton", "load", "inspect", "lower", "draw", "open_runtime"),
    "What comes back": (
        "Predictor",
        "Detections",
        "Conversion",
        "Built",
        "Bundled",
        "Served",
        "Inspection",
        "ModelMeta",
    ),
    "Settings": (
        *("ConvertSettings", "PassSettings", "EndToEnd", "NmsSettings", "NewThresholds", "Half", "Uint8Input"),
        *("CalibrationSettings", "ReadOptions", "BuildSettings", "DeepStreamSettings", "TritonSettings", "Style"),
    ),
    "Errors": (
        *("TrtZooError", "InputError", "ModelError", "UnsupportedError", "VerificationError", "MissingDependencyError"),
    ),
}
"""Every public name, and the base of settings that are one; tests/test_docs_api.py holds it against `trtzoo.__all__`."""

HEAD = """# Python API

Written from the docstrings by `make docs`; `import trtzoo` offers these names. Files and folders are `str` or `os.PathLike`; errors are
`TrtZooError`. An example is in the [README](../README.md#as-a-library).
"""

LOOK = ConfigDict(
    heading_level=3,
    show_root_full_path=False,
    show_object_full_path=False,
    show_signature_annotations=True,
    show_if_no_docstring=False,
    inherited_members=False,
    line_length=10_000,
    members_order="source",
    summary=False,
)


def api() -> str:
    """The page."""
    parts = [HEAD]
    for group, names in GROUPS.items():
        parts += [f"## {group}\n", *(_documented(name) for name in names)]
    return "\n".join(parts)


def _documented(name: str) -> str:
    value = _find(name)
    look = ConfigDict(**LOOK, members=_methods(value) or False)
    return _plain(render_object_docs(_module(value.__module__)[name], look), f"{value.__module__}.")


def _plain(text: str, module: str) -> str:
    """Without links to headings that are not on this page, and with names as users write them."""
    text = re.sub(r"\[((?:[^\[\]]|\[\])+)\]\(#[^)]*\)", r"\1", text)
    text = re.sub("<code>(.*?)</code>", r"`\1`", text).replace(f"`{module}", "`")
    lines = [line.rstrip() for line in text.strip().splitlines()]
    inside = [
        bool(line) and before.startswith(("- **", "  ")) and line[0] not in "-*#`"
        for before, line in pairwise(["", *lines])
    ]
    return "\n".join(f"  {line}" if deeper else line for line, deeper in zip(lines, inside, strict=True)) + "\n"


def _find(name: str) -> Any:
    if name == "PassSettings":
        return trtzoo.ConvertSettings.__base__
    return getattr(trtzoo, name)


def _methods(value: Any) -> list[str]:
    """What a class is used by; its fields stand in its own docstring."""
    if not isinstance(value, type):
        return []
    kinds = (property, staticmethod, classmethod)
    return [
        key
        for key, item in vars(value).items()
        if (key[:1] != "_" or key == "__call__") and (inspect.isfunction(item) or isinstance(item, kinds))
    ]


@lru_cache
def _module(name: str) -> griffe.Module:
    path = Path(str(sys.modules[name].__file__))
    code = path.read_text(encoding="utf-8")
    options = griffe.GoogleOptions(warn_unknown_params=False, warn_missing_types=False, warnings=False)
    return griffe.visit(name, path, code, docstring_parser=griffe.Parser.google, docstring_options=options)


if __name__ == "__main__":
    API.write_text(api(), encoding="utf-8")
