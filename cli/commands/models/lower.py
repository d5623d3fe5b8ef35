"""`trtzoo lower`: TensorRT plugins become standard operators."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...registry import Command

EXAMPLES = """
  trtzoo lower with-plugin.onnx -o for-onnxruntime.onnx
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="IN.onnx", help="an ONNX file with EfficientNMS plugins")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="file to write")
    parser.add_argument("--no-verify", action="store_true", help="do not run the written file once to check it")


def _run(options: argparse.Namespace) -> None:
    from ....pipeline import lower

    replaced = lower(options.model, options.output, not options.no_verify)
    print(f"{options.output}: {', '.join(replaced) if replaced else 'held no plugin; copied as it is'}")


COMMAND = Command("lower", "replace TensorRT plugins in an ONNX file by standard operators", EXAMPLES, _add_flags, _run)
