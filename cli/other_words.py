"""What people who come from other YOLO tools type, and what it is called here."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from itertools import takewhile

COMMANDS = {
    "benchmark": "bench",
    "checks": "doctor",
    "eval": "val",
    "export": "convert",
    "infer": "detect",
    "info": "inspect",
    "predict": "detect",
}

FLAGS = {
    "--agnostic-nms": "--class-agnostic",
    "--fp16": "--half",
    "--imgsz": "--img-size",
    "--max-det": "--topk-all",
    "--name": "--output",
    "--nosave": "--no-images",
    "--project": "--output",
}

WITHOUT_FLAG = ("--images", "--input", "--model", "--source", "--weights")
"""What is a flag elsewhere and stands without one here, unless a command has that flag."""

_PAIR = re.compile(r"(task|mode|model|source|data|imgsz|conf|iou|device|format|half|batch)=.")


def command(word: str, known: Collection[str]) -> str:
    """`'predict' is 'detect' here`, or "" where no other tool's word is known."""
    ours = COMMANDS.get(word)
    return f"that is {ours!r} here" if ours in known else ""


def flag(word: str, known: Collection[str], places: Sequence[str]) -> str:
    """How a flag of another tool is said by a command with these flags and positional arguments, or ""."""
    if word in WITHOUT_FLAG and places:
        return f"it stands without a flag: {' '.join(places)}"
    ours = FLAGS.get(word)
    return f"that is {ours!r} here" if ours in known else ""


def pair(words: Sequence[str]) -> str:
    """The first `model=a.pt` among the words before all flags (which may take `device=0.5`, a class) that is no file, or ""."""
    unflagged = takewhile(lambda word: not word.startswith("-"), words)
    return next((word for word in unflagged if _PAIR.match(word) and not os.path.lexists(word)), "")
