"""Which NMS route a graph gets: what each cannot do, and what `auto` prefers for a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...contract.choices import Route
from ...contract.meta import ModelMeta
from ...contract.nms import NmsSettings, Suppression
from ...contract.target import Target
from ...errors import UnsupportedError
from .routes.efficient import AGNOSTIC_SINCE

DENSE_BELOW = 0.007
"""Below this score threshold the plugins sort every score and fill unused rows with junk (efficientNMSInference.cu)."""
MOST_ROWS, MOST_CANDIDATES = 300, 1024
"""K and M up to which `auto` takes `static`, whose cost grows with M x M."""

Obstacle = Callable[[ModelMeta, Suppression, Target], "str | None"]


def choose(meta: ModelMeta, settings: NmsSettings, target: Target) -> tuple[Route, str]:
    """The route for these settings, and one line that says why.

    Raises:
        UnsupportedError: the route cannot do it; the message names the reason and what can.
    """
    wanted = meta.suppression(settings)
    preferred, why = _preferred(meta, settings, wanted, target)
    if settings.route == "auto":
        return preferred, f"--nms auto chose {preferred} for {target}: {why}"
    obstacle = OBSTACLES[settings.route](meta, wanted, target)
    if obstacle:
        raise UnsupportedError(f"--nms {settings.route}: {obstacle}; use --nms {preferred}")
    return settings.route, f"--nms {settings.route} for {target}, as asked{_caution(settings.route, target)}"


def refuse_kept(meta: ModelMeta, target: Target, where: str) -> None:
    """Raise UnsupportedError where a finished graph holds an NMS that the target cannot do."""
    if meta.nms is None:
        return
    obstacle = OBSTACLES[meta.nms.route](meta, meta.nms, target)
    if obstacle:
        raise UnsupportedError(
            f"{where} holds the NMS of route {meta.nms.route}: {obstacle}; convert the original model with --end2end --target {target}"
        )


def _preferred(meta: ModelMeta, settings: NmsSettings, wanted: Suppression, target: Target) -> tuple[Route, str]:
    """The first route without an obstacle, and why it comes first."""
    few = wanted.topk_all <= MOST_ROWS and (settings.candidates or 0) <= MOST_CANDIDATES
    for route in _preferences(meta, wanted, target, few):
        if OBSTACLES[route](meta, wanted, target) is None:
            return route, WHY[route]
    raise UnsupportedError(
        f"no NMS route does {meta.task} on {target}; choose tensorrt:8.5 or later, or leave --end2end out"
    )


def _preferences(meta: ModelMeta, wanted: Suppression, target: Target, few: bool) -> Sequence[Route]:
    """Routes in the order in which `auto` tries them; `few` rows and candidates are what `static` is for."""
    if meta.nms_free:
        return ["none"]
    if target.tensorrt is None:
        return ["plain"]
    captured = target.kind == "tensorrt" and few and wanted.conf_thres >= DENSE_BELOW
    portable: Route = "static" if captured else "plain"
    if target.tensorrt >= (11, 0):
        return [portable]
    if wanted.conf_thres < DENSE_BELOW:
        return ["plain", "efficient", "efficient-idx"]
    return ["efficient", portable, "efficient-idx"]


WHY: dict[Route, str] = {
    "none": "the head gives one box an object, so its best rows are the answer",
    "plain": "standard operators, exact, and the same on every runtime",
    "static": "standard operators without control flow, so that a CUDA graph can hold it",
    "efficient": "the EfficientNMS_TRT plugin ships with this TensorRT and does detection in one kernel",
    "efficient-idx": "plain is tried from TensorRT 8.5 on; this one is older, but has the plugin with indices",
}
"""Why `auto` takes a route."""


def _caution(route: str, target: Target) -> str:
    if route == "efficient-idx" and (target.tensorrt or (0, 0)) >= (10, 16):
        return "; NVIDIA says that TensorRT 10.16 drops EfficientNMS_ONNX_TRT, plain does without it"
    if route == "efficient" and (target.tensorrt or (0, 0)) >= (10, 12):
        return "; the plugin is deprecated since TensorRT 10.12, plain does without it"
    return ""


def _plain(meta: ModelMeta, wanted: Suppression, target: Target) -> str | None:
    if (target.tensorrt or (8, 5)) < (8, 5):
        return f"it is tried from TensorRT 8.5 on, the target is {target}"
    return None


def _efficient(meta: ModelMeta, wanted: Suppression, target: Target) -> str | None:
    if meta.task != "detect":
        return f"EfficientNMS_TRT returns no indices, so what belongs to the boxes of a {meta.task} model is lost"
    if target.tensorrt is None:
        return f"{target} has no EfficientNMS_TRT plugin"
    if wanted.class_agnostic and target.tensorrt < AGNOSTIC_SINCE:
        return f"the plugin has no class-agnostic mode up to TensorRT 8.6.0, the target is {target}"
    return None


def _efficient_idx(meta: ModelMeta, wanted: Suppression, target: Target) -> str | None:
    if meta.task == "obb":
        return "EfficientNMS_ONNX_TRT compares upright boxes only"
    if target.tensorrt is None:
        return f"{target} has no EfficientNMS_ONNX_TRT plugin"
    if target.tensorrt >= (11, 0):
        return "EfficientNMS_ONNX_TRT is gone from TensorRT 11"
    return None


def _onnx(meta: ModelMeta, wanted: Suppression, target: Target) -> str | None:
    if meta.task == "obb":
        return "NonMaxSuppression compares upright boxes only"
    if target.kind == "tensorrt-rtx":
        return "TensorRT-RTX parses NonMaxSuppression but has no kernel for it"
    if (target.tensorrt or (8, 5)) < (8, 5):
        return f"TensorRT's NMS layer came with 8.5, the target is {target}"
    return None


def _none(meta: ModelMeta, wanted: Suppression, target: Target) -> str | None:
    if not meta.nms_free:
        return "this head gives several boxes an object, which must suppress each other"
    return None


OBSTACLES: dict[Route, Obstacle] = {
    "plain": _plain, "static": _plain, "efficient": _efficient, "efficient-idx": _efficient_idx, "onnx": _onnx, "none": _none,
}  # fmt: skip
"""Why a route cannot do it, or None."""
