"""The official models by name: where their weights lie, under which licence, and what a name may be misspelt as.

A name is understood in any usual spelling: `yolo11n-pose`, `yolov11n-pose`, `YOLO11n_pose.pt` are one model. An entry's
SHA-256 is given only where a file of that sum was held against the publisher's and run; all others are downloaded unchecked.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..errors import InputError

_ASSETS = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_YOLOV5 = "https://github.com/ultralytics/yolov5/releases/download/v7.0"
_YOLOV7 = "https://github.com/WongKinYiu/yolov7/releases/download/v0.1"
_YOLOV9 = "https://github.com/WongKinYiu/yolov9/releases/download/v0.1"
_DARKNET = "https://github.com/AlexeyAB/darknet/releases/download"
_DARKNET_CFG = "https://raw.githubusercontent.com/AlexeyAB/darknet/master/cfg"
_PJREDDIE = "https://pjreddie.com/media/files"
_TI_POSE = (
    "http://software-dl.ti.com/jacinto7/esd/modelzoo/gplv3/08_02_00_11/edgeai-yolov5/pretrained_models/checkpoints/"
    "keypoint/coco/edgeai-yolov5"
)


@dataclass(frozen=True)
class CatalogueFile:
    """One file of a model.

    Attributes:
        name: it is saved under.
        url: where it lies.
        sha256: of its bytes, "" where nobody verified one.
    """

    name: str
    url: str
    sha256: str = ""


@dataclass(frozen=True)
class CatalogueModel:
    """An official model.

    Attributes:
        name: its usual name, such as "yolo11n-pose".
        family: "darknet", "yolov5", "yolov5-pose", "yolov7", "yolov9" or "ultralytics".
        task: "detect", "pose", "segment", "obb" or "classify".
        licence: of the weights, as their publisher states it.
        files: the model itself first; DarkNet's cfg, then its weights.
    """

    name: str
    family: str
    task: str
    licence: str
    files: tuple[CatalogueFile, ...]


_VERIFIED = {
    "yolov8n": "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
    "yolo11n-pose": "869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0",
    "yolo26n": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
}
_TASKS = {"": "detect", "-seg": "segment", "-pose": "pose", "-obb": "obb", "-cls": "classify"}
_ULTRALYTICS = (
    ("yolov8", "nsmlx", tuple(_TASKS)),
    ("yolo11", "nsmlx", tuple(_TASKS)),
    ("yolo12", "nsmlx", ("",)),
    ("yolo26", "nsmlx", tuple(_TASKS)),
    ("yolov9", "tsmce", ("",)),
    ("yolov9", "ce", ("-seg",)),
    ("yolov10", "nsmblx", ("",)),
)
"""Version, its sizes and tasks among the assets that the framework itself downloads."""

_DARKNET_WEIGHTS = {
    "yolov2": f"{_PJREDDIE}/yolov2.weights",
    "yolov2-tiny": f"{_PJREDDIE}/yolov2-tiny.weights",
    "yolov3": f"{_PJREDDIE}/yolov3.weights",
    "yolov3-spp": f"{_PJREDDIE}/yolov3-spp.weights",
    "yolov3-tiny": f"{_PJREDDIE}/yolov3-tiny.weights",
    "yolov4": f"{_DARKNET}/darknet_yolo_v3_optimal/yolov4.weights",
    "yolov4-tiny": f"{_DARKNET}/darknet_yolo_v4_pre/yolov4-tiny.weights",
    "yolov4-csp": f"{_DARKNET}/darknet_yolo_v4_pre/yolov4-csp.weights",
    "yolov4x-mish": f"{_DARKNET}/darknet_yolo_v4_pre/yolov4x-mish.weights",
}
_POSE_RUNS = {
    "yolov5s6-pose-640": "other/best_models/yolov5s6_640_60p7_85p3_kpts_head_6x_dwconv_3x3_lr_0p01/weights/last.pt",
    "yolov5s6-pose": "other/best_models/yolov5s6_960_64p8_87p4_kpts_head_6x_dwconv_3x3_lr_0p01/weights/last.pt",
    "yolov5m6-pose": "other/best_models/yolov5m6_960_67p8_89p3_kpts_head_6x_dwconv_3x3_lr_0p01/weights/last.pt",
    "yolov5l6-pose": "other/best_models/yolov5l6_960_69p6_90p1_kpts_head_6x_dwconv_3x3_lr_0p01/weights/last.pt",
    "yolov5s6-pose-ti-lite-640": "yolov5s6_640_ti_lite_54p9_82p2/weights/last.pt",
    "yolov5s6-pose-ti-lite": "yolov5s6_960_ti_lite_59p7_85p6/weights/last.pt",
    "yolov5m6-pose-ti-lite-640": "yolov5m6_640_ti_lite_60p5_86p8/weights/best.pt",
    "yolov5m6-pose-ti-lite": "yolov5m6_960_ti_lite_65p9_88p6/weights/last.pt",
}


@cache
def catalogue() -> dict[str, CatalogueModel]:
    """Every model by its usual name."""
    return {model.name: model for model in _models()}


def find_model(name: str) -> CatalogueModel:
    """The model that a name means, in any usual spelling.

    Raises:
        InputError: no such model; the message names the closest ones.
    """
    known = {_key(model): model for model in catalogue()}
    key = _key(name)
    if key in known:
        return catalogue()[known[key]]
    close = [longer for longer in known if longer.startswith(key)][:3] or difflib.get_close_matches(key, known, 3, 0.75)
    hint = f"did you mean {' or '.join(known[match] for match in close)}? " if close else ""
    raise InputError(
        f"no model {name!r} in the catalogue; {hint}`trtzoo zoo list` shows all names, and a URL works too"
    )


def _key(name: str) -> str:
    """A name without what spellings differ in: case, `.pt`, the v of `yolov`, separators, long task names."""
    text = re.sub(r"\.(pt|weights|cfg)$", "", name.strip().lower())
    text = re.sub(r"[-_. ]+", "-", text)
    for short, long in _SHORT_TASKS.items():
        text = re.sub(rf"-({long})$", f"-{short}", text)
    return re.sub(r"-detect(ion)?$", "", text).replace("-", "").replace("yolov", "yolo")


_SHORT_TASKS = {"seg": "segment(ation)?", "cls": "classify|classification", "pose": "keypoints?|kpts?"}
"""How names end, by the long words for it."""


def _models() -> Iterator[CatalogueModel]:
    for version, sizes, tasks in _ULTRALYTICS:
        for task in tasks:
            yield from (_checkpoint(f"{version}{size}{task}", "ultralytics", _ASSETS, "AGPL-3.0") for size in sizes)
    for name in (
        *(f"yolov5{size}{six}u" for size in "nsmlx" for six in ("", "6")),
        "yolov3u",
        "yolov3-sppu",
        "yolov3-tinyu",
    ):
        yield _checkpoint(name, "ultralytics", _ASSETS, "AGPL-3.0")
    for size in "nsmlx":
        for suffix in ("", "6", "-seg", "-cls"):
            yield _checkpoint(f"yolov5{size}{suffix}", "yolov5", _YOLOV5, "AGPL-3.0")
    for suffix in ("", "-tiny", "x", "-w6", "-e6", "-d6", "-e6e", "-w6-pose"):
        yield _checkpoint(f"yolov7{suffix}", "yolov7", _YOLOV7, "GPL-3.0")
    for stem, name in (("yolov9-c", "yolov9-c-dual"), ("yolov9-e", "yolov9-e-dual"), ("gelan-c", ""), ("gelan-e", "")):
        yield _checkpoint(stem, "yolov9", _YOLOV9, "GPL-3.0", name)
    for name, run in _POSE_RUNS.items():
        file = CatalogueFile(f"{name}.pt", f"{_TI_POSE}/{run}")
        yield CatalogueModel(name, "yolov5-pose", "pose", "GPL-3.0", (file,))
    for name, url in _DARKNET_WEIGHTS.items():
        cfg = CatalogueFile(f"{name}.cfg", f"{_DARKNET_CFG}/{name}.cfg")
        yield CatalogueModel(name, "darknet", "detect", "public domain", (cfg, CatalogueFile(f"{name}.weights", url)))


def _checkpoint(stem: str, family: str, folder: str, licence: str, name: str = "") -> CatalogueModel:
    """A model of one `.pt`, whose task its name ends in."""
    task = next((task for suffix, task in _TASKS.items() if suffix and stem.endswith(suffix)), "detect")
    file = CatalogueFile(f"{stem}.pt", f"{folder}/{stem}.pt", _VERIFIED.get(stem, ""))
    return CatalogueModel(name or stem, family, task, licence, (file,))
