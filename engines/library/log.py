"""What the library says while it works: kept, so that an error can be explained, and the inspector's report found."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

_NODE = re.compile(r"(?:Static check for parsing node|Parsing node): (.*)")
_PLACE = re.compile(r"\s*\(?In \w+(?:<[^>]*>)? at \S+?:\d+\)?|\[\w+\.\w+::[\w:~]+::\d+\]\s*")
_QUOTED = re.compile(r'^\w+ && "(.*)"$')
_NO_GPU = re.compile(
    r"cudaError (?:35|100)\b|CUDA driver version is insufficient|no CUDA-capable device|"
    r"CUDA initialization failure(?: with error: \d+)?"
)
_NUMBER = re.compile(r"^\d+: ")
"""What 8.x puts before an error."""
_HARMLESS = re.compile(r"Myelin error from unknown graph|The timing cache will not be used")
"""What 8.6 also says, at error level, in builds that succeed: no reason of a failure."""

_MEMORY = re.compile(r"Total (Activation|Weights) Memory: (\d+) bytes")

REPORT = "Layers:"
"""How the message starts in which TensorRT-RTX prints the EngineInspector's report at the end of a build."""

LIMIT = 200
"""How many messages are kept."""


def make_log(
    trt: Any,
    on_node: Callable[[str], None] | None = None,
    verbose: bool = False,
    on_fault: Callable[[Any], None] | None = None,
) -> Any:
    """A logger for this library, whose attributes are:

    - `problems`: errors and warnings, as (is an error, text);
    - `lines`: with `verbose`, everything else;
    - `report`: the EngineInspector's text, once the library printed it;
    - `memory`: bytes of the engine by kind, once the library printed them.

    Args:
        trt: the library's module.
        on_node: is told each node that the parser comes to, so that a crash can be placed.
        verbose: keep all lines.
        on_fault: is told, with the logger, that CUDA does not start, before the library can die of it.
    """
    return _log_class(trt)(on_node, verbose, on_fault)


@cache
def _log_class(trt: Any) -> Any:
    """The logger has to derive from a class of the module at hand."""
    error, warning = int(trt.ILogger.ERROR), int(trt.ILogger.WARNING)

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(
            self, on_node: Callable[[str], None] | None, verbose: bool, on_fault: Callable[[Any], None] | None
        ) -> None:
            trt.ILogger.__init__(self)
            self.problems: list[tuple[bool, str]] = []
            self.lines: list[str] = []
            self.report = ""
            self.memory: dict[str, int] = {}
            self._on_node = on_node
            self._verbose = verbose
            self._on_fault = on_fault

        def log(self, severity: Any, message: str) -> None:
            level = int(severity)
            if level <= warning:
                if len(self.problems) < LIMIT:
                    self.problems.append((level <= error, message))
                if self._on_fault and _NO_GPU.search(message):
                    self._on_fault(self)
            elif message.startswith(REPORT):
                self.report = message
            elif match := _MEMORY.match(message):
                self.memory[match[1].lower()] = int(match[2])
            elif self._on_node and (match := _NODE.match(message)):
                self._on_node(match[1])
            elif self._verbose:
                self.lines.append(message)

    return Log


@cache
def shared_log(trt: Any) -> Any:
    """The one logger of this process: TensorRT-RTX keeps the first that it is given and warns about every other."""
    return make_log(trt)


def errors_of(log: Any) -> list[str]:
    """The errors so far that may explain a failure, cleaned, each once; forgets them."""
    texts = [
        _NUMBER.sub("", clean(text))
        for is_error, text in log.problems
        if is_error and not _NO_GPU.search(text) and not _HARMLESS.search(text)
    ]
    log.problems.clear()
    once = list(
        dict.fromkeys(filter(None, texts))
    )  # 8.x says many twice: the text, and the same in "Error Code 10: ... (text)"
    return [text for text in once if not any(text != other and text.rstrip(".") in other for other in once)]


def no_cuda(log: Any) -> str:
    """What the library said about CUDA that does not start, "" if nothing; as an error or, before 10, as a warning."""
    found = (match for _, text in log.problems for match in _NO_GPU.finditer(text))
    return next((match[0] for match in found), "")


def warnings_of(log: Any) -> list[str]:
    """The warnings so far, cleaned, each once."""
    texts = [clean(text) for is_error, text in log.problems if not is_error]
    return [text for text in dict.fromkeys(texts) if text]


def clean(text: str) -> str:
    """A message on one line, without the places in the library's own source."""
    lines = [line for line in text.splitlines() if not _NO_GPU.search(line)]
    joined = " ".join(_PLACE.sub("", line).strip() for line in lines).strip()
    return _QUOTED.sub(r"\1", joined)
