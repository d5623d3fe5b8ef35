"""From the arguments to an exit code: every error becomes one line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..errors import TrtZooError
from .parser import Parser
from .registry import Command, commands

INTERRUPTED = 130
"""Exit code after Ctrl-C or a friendly kill: 128 + SIGINT."""

DESCRIPTION = "YOLO weights of any family become end-to-end ONNX and TensorRT engines, without PyTorch."
EXAMPLES = """
  trtzoo convert yolov3-tiny.cfg                          yolov3-tiny.onnx with raw heads
  trtzoo convert yolov3-tiny.cfg --end2end                ... with NMS in the graph
  trtzoo detect yolov3-tiny.onnx pictures/ -o results     annotated pictures and detections.json
  trtzoo inspect yolov3-tiny.cfg                          what is this file?
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 an error that was explained, 2 wrong usage, 3 done but for inputs that were skipped, 130
        interrupted.
    """
    options = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int | None = options.run(options)
        sys.stdout.flush()
    except TrtZooError as error:
        return _fail(str(error))
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or "interrupted; nothing was left half written", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail("the reader of the output went away")
    except MemoryError:
        return _fail("out of memory; choose a smaller model, batch or --img-size")
    except Exception as error:
        if os.environ.get("TRTZOO_DEBUG"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {error}; set TRTZOO_DEBUG=1 for the traceback and report it")
    return code or 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = Parser(prog="trtzoo", description=DESCRIPTION, **_style(EXAMPLES))
    parser.add_argument("--version", action="version", version=f"trtzoo {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands():
        _add(subparsers, command)
    return parser


def _add(subparsers: Any, command: Command) -> None:
    parser = subparsers.add_parser(
        command.name, help=command.summary, description=command.summary, **_style(command.examples)
    )
    command.add_flags(parser)
    parser.set_defaults(run=command.run, usage_error=parser.error)


def _style(examples: str) -> dict[str, Any]:
    return {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": f"examples:{examples.rstrip()}",
        "allow_abbrev": False,
    }


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int = 1) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code
