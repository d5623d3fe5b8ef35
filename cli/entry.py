"""From the arguments to an exit code: every error becomes one line."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import __version__, console
from ..errors import InputError, TrtZooError
from .config import Source, only_command, save, supplied, value_refused, with_places
from .flags import require
from .general_flags import add_general, check_general
from .parser import Parser
from .registry import Command, commands
from .secrets import without_secrets

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
    words = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options = _parse(words)
        if options.version:
            return _version(options)
        require(options, options.run, "the following arguments are required: COMMAND (trtzoo --help lists them)")
        check_general(options)
        level = console.DETAILED if options.verbose else console.QUIET if options.quiet else console.USUAL
        with console.speaking(level, options.log_file):
            return _recorded(options, words)
    except TrtZooError as error:
        return _fail(str(error))


def _parse(words: list[str]) -> argparse.Namespace:
    """What was typed; where no command was, that of the file of flags."""
    parser = build_parser()
    options = parser.parse_args(words)
    if options.run is not None or options.version or not options.config_file:
        return options
    try:
        command = only_command(parser, options.config_file)
    except InputError as error:
        parser.error(str(error))
    return build_parser().parse_args([*words, *command])


def _recorded(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Run the command; the log file tells what was typed and how it ended."""
    start = time.monotonic()
    console.record(f"trtzoo {__version__}: trtzoo {without_secrets(shlex.join(words))}")
    for key, place in supplied(options.command_parser):
        console.detail(f"{key} from {place}")
    code = _run(options)
    console.record(f"exit code {code} after {time.monotonic() - start:.2f} s")
    return code


def _run(options: argparse.Namespace) -> int:
    """Run the command; every way to end becomes an exit code."""
    try:
        code: int | None = options.run(options)
        sys.stdout.flush()
        if options.save_config and save(options.save_config, options.root, options.command_parser, options):
            console.note(f"{options.save_config} holds a password or token, and only its owner may read it")
    except TrtZooError as error:
        require(options, not value_refused(error, options.command_parser), " ".join(str(error).split()))
        return _fail(with_places(str(error), options.command_parser))
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or "interrupted; nothing was left half written", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail("the reader of the output went away")
    except MemoryError:
        return _fail("out of memory; choose a smaller model, batch or --img-size")
    except Exception as error:
        more = (
            "report it with what stands above"
            if options.verbose
            else "run it again with --verbose and report what it says"
        )
        return _fail(f"unexpected {type(error).__name__}: {error}; {more}", trace=error)
    return code or 0


def _version(options: argparse.Namespace) -> int:
    """One line, or everything that is installed."""
    print(f"trtzoo {__version__}")
    if options.verbose:
        from ..machine import examine

        for name, version, remark in examine().rows()[1:]:
            print(f"{name} {version}{f' ({remark})' if remark else ''}")
    return 0


def build_parser() -> Parser:
    """The parser of every command."""
    parser = Parser(prog="trtzoo", description=DESCRIPTION, **_style(EXAMPLES))
    parser.add_argument(
        "--version", action="store_true", help="print the version, with --verbose also what is installed"
    )
    parser.set_defaults(run=None, usage_error=parser.error, root=parser, command_parser=parser)
    add_general(parser, top=True)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in commands():
        _add(subparsers, command, Source(parser))
    return parser


def _add(subparsers: Any, command: Command, source: Source) -> None:
    parser = subparsers.add_parser(
        command.name, help=command.summary, description=command.summary, **_style(command.examples)
    )
    command.add_flags(parser)
    parser.set_defaults(run=command.run)
    for each in parser.tree():
        each.before = source
        each.set_defaults(usage_error=partial(_wrong, each), command_parser=each)
        add_general(each, top=False)


def _wrong(parser: Parser, message: str) -> None:
    parser.error(with_places(message, parser))


def _style(examples: str) -> dict[str, Any]:
    return {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": f"examples:{examples.rstrip()}",
        "allow_abbrev": False,
    }


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int = 1, trace: BaseException | None = None) -> int:
    console.error(" ".join(message.split()), trace)
    return code
