"""`trtzoo inspect`: what is this file?"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...flags import add_reading, read_options
from ...registry import Command

EXAMPLES = """
  trtzoo inspect yolov4.cfg
  trtzoo inspect yolov4.weights
  trtzoo inspect yolov4.onnx --json
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a .cfg, .weights, .pt, .onnx or .engine")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--layers", action="store_true", help="list the layers")
    add_reading(parser)


def _run(options: argparse.Namespace) -> None:
    from .... import console
    from ....inspection import inspect

    found = inspect(options.model, read_options(options))
    if options.json:
        console.document("trtzoo.inspect", found.document())
        return
    console.table("", ["", options.model.name], [[key, value] for key, value in found.rows().items()])
    if options.layers:
        print("\n".join(found.layers or ("the file does not say what layers it has",)))


COMMAND = Command("inspect", "say what a model file is", EXAMPLES, _add_flags, _run)
