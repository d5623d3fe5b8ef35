"""A model ready to look at pictures: preprocessing, running and decoding behind one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TypeGuard, overload

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import NmsSettings
from ...contract.outputs import input_spec
from ...errors import InputError
from ...graph.weights import Array
from ...graph_passes.layouts import wanted_outputs
from ..runtimes.base import Runtime
from .detections import Detections
from .postprocess import decode, in_picture, surviving_rows
from .preprocess import Placement, prepare
from .settling import is_unsettled
from .sources import read_picture

Picture = Array | str | os.PathLike[str]
"""uint8 [H, W, 3], blue, green, red, as OpenCV reads it; or the path of a picture."""

GPU_BATCH = 8
"""Pictures a run of a model with a free batch on a GPU; on a CPU one is fastest."""

FIXED = ("iou_thres", "conf_thres", "topk_all", "candidates", "multi_label", "class_agnostic", "fast")
"""Settings that the NMS in a graph keeps to itself."""

_EXPECTED = "give an array uint8 [height, width, 3] (blue, green, red), the path of a picture, or a list of these"


@dataclass(frozen=True)
class Prepared:
    """A picture as the network takes it, and where it lies in there."""

    image: Array
    placement: Placement


class Predictor:
    """A runtime with the preprocessing and decoding that its model's metadata asks for.

    `predictor(picture)` gives the detections of one picture, `predictor([picture, ...])` a list of them. As a context manager
    it frees the model at the end.

    Args:
        runtime: a loaded model.
        settings: of the NMS behind raw heads. An end-to-end graph keeps its own, unless it takes its thresholds as inputs,
            but a higher `conf_thres` still filters its rows.
        batch: pictures a run where the model leaves that free; None takes what is fastest.
        masks: whether a segmentation model's masks are wanted; without them `Detections.masks` is None, and the outputs that only
            they need are neither computed by ONNX Runtime, nor copied from a GPU, nor sent by a server.

    Attributes:
        unsettled: pictures so far for which the NMS of route `static` in the graph had too few steps: some of their boxes overlap
            better ones of their class. Always 0 where the number of steps is odd, which leaves no trace.

    Raises:
        InputError: settings that the NMS in the graph would ignore, or a batch that the model does not have.
    """

    def __init__(
        self,
        runtime: Runtime,
        settings: NmsSettings = NmsSettings(),
        batch: int | None = None,
        masks: bool = True,
    ) -> None:
        check_heeded(runtime.meta, settings)
        self.runtime = runtime
        self.meta = runtime.meta
        self.suppression = runtime.meta.suppression(settings)
        self.batch = _batch_of(runtime, batch)
        self._masks = masks
        self._outputs = wanted_outputs(runtime.meta, masks)
        self.unsettled = 0
        self._counting = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, by number."""
        return self.meta.names

    def __enter__(self) -> Predictor:
        """The predictor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the model."""
        self.close()

    def close(self) -> None:
        """Free what the model holds, on a GPU too; it cannot be used afterwards."""
        self.runtime.close()

    @overload
    def __call__(self, pictures: Picture) -> Detections: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def __call__(self, pictures: Sequence[Picture]) -> list[Detections]: ...
    def __call__(self, pictures: Picture | Sequence[Picture]) -> Detections | list[Detections]:
        """Detect in one picture or several.

        Args:
            pictures: uint8 [H, W, 3] (blue, green, red) or the path of a file; or a sequence of these, in which an array
                [N, H, W, 3] counts as N pictures. A fixed batch is filled up with black.

        Returns:
            The detections of the one picture, or a list.

        Raises:
            InputError: something that is no such picture.
        """
        if not _are_several(pictures):
            return self.infer([self.prepare(pictures)])[0]  # type: ignore[arg-type]  # it is checked there
        starts = range(0, len(pictures), self.batch)
        chunks = (pictures[start : start + self.batch] for start in starts)
        return [found for chunk in chunks for found in self.infer([self.prepare(picture) for picture in chunk])]

    def prepare(self, picture: Picture) -> Prepared:
        """Turn a picture into the network's input; this needs no runtime, so that another thread may do it.

        Raises:
            InputError: something that is no picture.
        """
        return Prepared(*prepare(_checked(picture), self.meta))

    def infer(self, pictures: Sequence[Prepared]) -> list[Detections]:
        """Detect in prepared pictures, at most `batch` of them."""
        if not pictures:
            return []
        outputs = self.runtime.infer(self._filled(pictures), self.suppression, self._outputs)
        found = [self._decoded(outputs, row, one.placement) for row, one in enumerate(pictures)]
        return [_above(detections, self.suppression.conf_thres) for detections in found]

    def _decoded(self, outputs: dict[str, Array], row: int, placement: Placement) -> Detections:
        if self.meta.task == "classify":
            return decode(outputs, row, placement, self.meta, self.suppression)
        rows = surviving_rows(outputs, row, self.meta, self.suppression)
        if is_unsettled(rows, self.meta.nms, self.suppression):
            with self._counting:  # several threads may ask at a time
                self.unsettled += 1
        return in_picture(rows, placement, self.meta, self._masks)

    def _filled(self, pictures: Sequence[Prepared]) -> Array:
        size = self.meta.batch or len(pictures)
        if size == 1:
            return pictures[0].image[None]
        spec = input_spec(self.meta)
        images = np.zeros((size, *(int(axis) for axis in spec.shape[1:])), spec.dtype)
        for row, one in enumerate(pictures):
            images[row] = one.image
        return images


def _are_several(pictures: object) -> TypeGuard[Sequence[Picture]]:
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 4
    return isinstance(pictures, Sequence) and not isinstance(pictures, (str, bytes))


def _batch_of(runtime: Runtime, wanted: int | None) -> int:
    """Pictures a run: the model's, else the wanted, else what is fastest."""
    fixed = runtime.meta.batch
    if wanted is not None and wanted < 1:
        raise InputError(f"a batch of {wanted} is out of range; choose 1 or more")
    if wanted and fixed not in (None, wanted):
        raise InputError(
            f"the model has a fixed batch of {fixed}, not {wanted}; leave the batch out, or convert the model with --dynamic"
        )
    return fixed or wanted or (1 if runtime.name.endswith("CPU") else GPU_BATCH)


def _checked(picture: object) -> Array:
    """The picture as an array.

    Raises:
        InputError: it is none.
    """
    if isinstance(picture, (str, os.PathLike)):
        return read_picture(Path(picture))
    if not isinstance(picture, np.ndarray):
        raise InputError(f"a picture was expected, not {type(picture).__name__}; {_EXPECTED}")
    if picture.dtype != np.uint8:
        hint = "values of 0..1 times 255, as uint8" if picture.dtype.kind == "f" else "values of 0..255 as uint8"
        raise InputError(f"the picture is {picture.dtype} [{_shape(picture)}], but uint8 was expected; give {hint}")
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(f"the picture has the shape [{_shape(picture)}]; {_EXPECTED}")
    return picture


def _shape(picture: Array) -> str:
    return ", ".join(map(str, picture.shape))


def check_heeded(meta: ModelMeta, settings: NmsSettings) -> None:
    """Refuse settings that the NMS in a graph would ignore.

    Raises:
        InputError: naming them as the command line does.
    """
    if not meta.nms:
        return
    inputs = ("iou_thres", "conf_thres") if meta.extra.get("runtime_thresholds") else ()
    said = {name: value for name, value in settings.given().items() if name in FIXED and name not in inputs}
    ignored = [name for name, value in said.items() if value != getattr(meta.nms, name)]
    if settings.conf_thres is not None and settings.conf_thres > meta.nms.conf_thres:
        ignored = [name for name in ignored if name != "conf_thres"]
    if ignored:
        raise InputError(
            f"{meta.source or 'the model'} has its NMS in the graph (score > {meta.nms.conf_thres}, IoU {meta.nms.iou_thres}), "
            f"which {', '.join(map(_flag, ignored))} cannot change here; run `trtzoo convert MODEL --conf-thres X --iou-thres X`, "
            "or use the raw model"
        )


def _flag(name: str) -> str:
    special = {"multi_label": "--single-label or --multi-label", "candidates": "--nms-candidates", "fast": "--fast-nms"}
    return special.get(name, f"--{name.replace('_', '-')}")


def _above(found: Detections, threshold: float) -> Detections:
    """The detections whose score is greater than the threshold."""
    keep = found.scores > threshold
    return found if keep.all() else found[keep]
