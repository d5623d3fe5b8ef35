"""Which parser and which precision a DeepStream release can run a model with, and what it cannot run at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ...contract.choices import Layout, Task
from ...contract.meta import ModelMeta
from ...contract.target import parse_target
from ...errors import InputError, UnsupportedError

Parser = Literal["stock", "own"]
PARSERS: tuple[Parser, ...] = get_args(Parser)
"""DeepStream's NvDsInferParseYoloV5CustomBatchedNMSTLT, or the one that is written into the bundle."""

STOCK_ROWS = 200
"""Rows that the stock parser reads at most."""
STRONGLY_TYPED_SINCE = (9, 0)
"""First release whose nvinfer keeps the types of the graph (`strongly-typed`); before, it lets TensorRT choose."""
TYPED_TRTEXEC_SINCE = (10, 0)
"""First TensorRT whose trtexec keeps the types of the graph (`--stronglyTyped`); before, `--fp16` frees all of them."""
ROTATION_SINCE = (9, 0)
"""First release whose objects have a rotation angle."""
MOST_IMAGES = 1024
"""Greatest batch-size that nvinfer takes."""


@dataclass(frozen=True)
class DeepStreamSettings:
    """What a bundle is for.

    Attributes:
        release: DeepStream's version, "6.2" to "9.2"; a later one counts as the latest known.
        batch_size: pictures that nvinfer runs at once, 1 to 1024.
        parser: None takes the stock parser where it can do the work.

    Raises:
        InputError: the batch size is out of range, or the release is no version.
        UnsupportedError: the release is older than 6.2.
    """

    release: str = "9.1"
    batch_size: int = 1
    parser: Parser | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= MOST_IMAGES:
            raise InputError(f"--batch-size {self.batch_size}: nvinfer takes 1 to {MOST_IMAGES} pictures at once")
        if not self.release[:1].isdigit():
            raise InputError(f"--deepstream {self.release} is no version; write 7.1")
        parse_target(f"deepstream:{self.release}")

    @property
    def version(self) -> tuple[int, int]:
        """The known release that these settings mean."""
        version = parse_target(f"deepstream:{self.release}").version
        assert version is not None
        return version

    @property
    def target(self) -> str:
        """For `convert --target`."""
        return f"deepstream:{self.version[0]}.{self.version[1]}"


def choose_parser(
    task: Task, rows: int, class_thresholds: Mapping[str, float] | None, wanted: Parser | None = None
) -> Parser:
    """The parser that a model gets.

    Args:
        task: of the model.
        rows: K, rows of its result.
        class_thresholds: score thresholds of single classes, if there are any.
        wanted: by the user.

    Raises:
        UnsupportedError: the task has no objects, or the stock parser was asked for and cannot read the model.
    """
    if task == "classify":
        raise UnsupportedError(
            "a classifier finds no objects, so there is no bundle for it; give a detect, pose, segment or obb model"
        )
    obstacles = {
        f"it reads boxes only, not the rest of a {task} model": task != "detect",
        f"it reads at most {STOCK_ROWS} rows, not {rows} (--topk-all {STOCK_ROWS} would do)": rows > STOCK_ROWS,
        "it knows one threshold for all classes": bool(class_thresholds),
    }
    obstacle = next((reason for reason, holds in obstacles.items() if holds), None)
    if wanted == "stock" and obstacle:
        raise UnsupportedError(f"--parser stock: {obstacle}; leave --parser out, or use --parser own")
    return wanted or ("own" if obstacle else "stock")


def layout_for(parser: Parser) -> Layout:
    """The dressing of the outputs that a parser reads."""
    return "deepstream" if parser == "stock" else "separate"


def check_model(meta: ModelMeta, parser: Parser, where: str) -> None:
    """Refuse a model that nvinfer or the parser cannot run.

    Raises:
        UnsupportedError: saying why.
    """
    if not meta.end2end:
        raise UnsupportedError(f"{where} ends in raw heads; give it NMS with `trtzoo convert {where} --end2end`")
    readable = {"stock": ("deepstream",), "own": ("separate", "deepstream")}[parser]
    obstacles = {
        f"its input is {meta.input_dtype}, but nvinfer writes float32 pictures": meta.input_dtype != "float32",
        "its input has the channels last, but nvinfer writes them first": meta.input_axes != "chw",
        f"its input has {meta.channels} channels, but nvinfer gives 1 or 3": meta.channels not in (1, 3),
        "its thresholds are inputs, but nvinfer gives no input but the pictures": bool(
            meta.extra.get("runtime_thresholds")
        ),
        f"its outputs are in the layout {meta.layout}, the {parser} parser reads {' or '.join(readable)}": meta.layout
        not in readable,
    }
    obstacle = next((reason for reason, holds in obstacles.items() if holds), None)
    if obstacle:
        raise UnsupportedError(
            f"{where} does not run in DeepStream: {obstacle}; convert the weights again without that"
        )


def release_notes(settings: DeepStreamSettings) -> tuple[str, ...]:
    """That a release is newer than those known here."""
    known = f"{settings.version[0]}.{settings.version[1]}"
    wanted = ".".join(settings.release.split(".")[:2])
    if wanted in (known, str(settings.version[0])):
        return ()
    return (
        f"DeepStream {settings.release} is not known to this trtzoo; the folder is for {known}, the next before it",
    )


def needs_engine(meta: ModelMeta, version: tuple[int, int]) -> bool:
    """Whether nvinfer would change the precision of the graph, so that it has to be given a finished engine."""
    return meta.precision != "fp32" and version < STRONGLY_TYPED_SINCE
