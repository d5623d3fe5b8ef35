"""`zoo.yaml`: which models to make, in which precisions, for which targets; read strictly, with the line of every mistake."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ..contract.target import parse_target
from ..contract.yaml_lines import Lines, read_node, value_of
from ..errors import InputError, TrtZooError
from ..files import require_file

Precision = Literal["fp32", "fp16", "int8"]
Score = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w.-]*$")]
Bundle = Annotated[str, msgspec.Meta(pattern=r"^(triton|deepstream(:\d+\.\d+)?)$")]
Size = Count | Annotated[list[Count], msgspec.Meta(min_length=2, max_length=2)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping whose keys are all known. What is left out is inherited from `defaults`, then from the tool."""


class Nms(_Strict, frozen=True, kw_only=True):
    """NMS in the graph, as the flags of `trtzoo convert --end2end` of the same names."""

    route: str | None = None
    conf_thres: Score | None = None
    iou_thres: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    topk_all: Count | None = None
    nms_candidates: Count | None = None
    nms_steps: Count | None = None
    multi_label: bool | None = None
    class_agnostic: bool = False
    runtime_thresholds: bool = False


class Calibration(_Strict, frozen=True, kw_only=True):
    """Pictures for INT8: a folder or list, how many of them, and the method that sets the thresholds."""

    path: str
    num: Count | None = None
    method: str | None = None


class Build(_Strict, frozen=True, kw_only=True):
    """Engines, as the flags of `trtzoo build` of the same names; workspace in GiB."""

    workspace: Annotated[float, msgspec.Meta(gt=0)] | None = None
    opt_level: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    min_batch: Count | None = None
    opt_batch: Count | None = None
    max_batch: Count | None = None
    compute_capability: list[str] = []


class On(_Strict, frozen=True, kw_only=True):
    """A target on a kind of GPU: `gpu` is a label, which a cluster's nodes (or `--gpu`) carry."""

    target: str
    gpu: Name


class Settings(_Strict, frozen=True, kw_only=True):
    """What a model is made into; the same keys stand under `defaults` and under each model.

    `verify` lets each command check what it wrote; `pictures` names a picture or folder on which every variant is held
    against the weights, and `val` labelled pictures to measure every variant on; `bundles`
    are "triton" and "deepstream" with a release, "deepstream:7.1".
    """

    size: Size | None = None
    batch: Count | Literal["dynamic"] | None = None
    end2end: bool | None = None
    nms: Nms | None = None
    precisions: list[Precision] | None = None
    targets: list[str | On] | None = None
    bundles: list[Bundle] | None = None
    calibration: Calibration | None = None
    build: Build | None = None
    verify: bool | None = None
    pictures: str | None = None
    val: str | None = None


class Model(Settings, frozen=True, kw_only=True):
    """One model: `source` is a file, a URL or a name of the catalogue."""

    name: Name
    source: str
    weights: str | None = None
    names: str | None = None
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None


class Zoo(_Strict, frozen=True, kw_only=True):
    """The whole file. `output` is a folder, beside the file unless it is absolute, or a URL such as s3://BUCKET/FOLDER."""

    zoo: Literal[1]
    models: Annotated[list[Model], msgspec.Meta(min_length=1)]
    output: str = "zoo"
    defaults: Settings = Settings()


BUILTIN = Settings(
    batch=1,
    end2end=True,
    nms=Nms(),
    precisions=["fp32"],
    targets=["onnxruntime"],
    bundles=[],
    build=Build(),
    verify=True,
)
"""What holds where neither the model nor `defaults` says otherwise."""


def read_zoo(path: Path) -> Zoo:
    """Read a `zoo.yaml`.

    Raises:
        InputError: with the file, the line and what is wrong there.
    """
    require_file(path, "a zoo.yaml")
    node, lines = read_node(path)
    try:
        zoo = msgspec.convert(value_of(node, path), Zoo)
    except msgspec.ValidationError as error:
        raise InputError(_explained(path, str(error), lines)) from error
    _check(zoo, path, lines)
    return zoo


def resolved(model: Model, zoo: Zoo) -> Model:
    """The model with what it inherits filled in."""
    return _over(_over(model, zoo.defaults), BUILTIN)


def json_schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors that check and complete YAML."""
    return msgspec.json.schema(Zoo)


def _over(model: Model, below: Settings) -> Model:
    missing = {key: getattr(below, key) for key in Settings.__struct_fields__ if getattr(model, key) is None}
    return msgspec.structs.replace(model, **missing)


def _explained(path: Path, message: str, lines: Lines) -> str:
    """msgspec's message with the line, and what an unknown key may have meant."""
    problem, _, place = message.rpartition(" - at `")
    problem, place = (problem, place.rstrip("`")) if problem else (message, "$")
    unknown = re.search(r"unknown field `(.+?)`", problem)
    if unknown:
        place = f"{place}.{unknown[1]}"
        close = difflib.get_close_matches(unknown[1], _known_keys(), 1)
        problem = f"there is no key {unknown[1]!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    while place not in lines and place != "$":
        place = re.sub(r"(\.[^.\[]*|\[[^\[]*\])$", "", place) or "$"
    return f"{path}:{lines.get(place, 1)}: {problem} (at {place.removeprefix('$').lstrip('.') or 'the top'})"


def _known_keys() -> list[str]:
    return sorted({key for kind in (Zoo, Model, Nms, Calibration, Build, On) for key in kind.__struct_fields__})


def _check(zoo: Zoo, path: Path, lines: Lines) -> None:
    """What a type cannot say: names once, targets that exist, pictures where INT8 is wanted."""
    seen: set[str] = set()
    for index, model in enumerate(zoo.models):
        line = lines.get(f"$.models[{index}]", 1)
        if model.name in seen:
            raise InputError(f"{path}:{line}: a second model is named {model.name!r}; each needs a name of its own")
        seen.add(model.name)
        whole = resolved(model, zoo)
        for target in whole.targets or []:
            _check_target(target if isinstance(target, str) else target.target, f"{path}:{line}")
        _check_local(whole, f"{path}:{line}")
        if "int8" in (whole.precisions or []) and not whole.calibration:
            raise InputError(
                f"{path}:{line}: {model.name} is wanted in int8 but there are no pictures to calibrate with; add "
                "`calibration: {path: FOLDER}` to it or to defaults"
            )


def _check_local(model: Model, where: str) -> None:
    """Pictures and labels are read where the step runs, as files."""
    places = {"pictures": model.pictures, "val": model.val, "calibration": model.calibration and model.calibration.path}
    for key, place in places.items():
        if place and "://" in place:
            raise InputError(
                f"{where}: {key} of {model.name} is the URL {place}; pictures and labels must be local files or folders, "
                "on a cluster under the same path on every node"
            )


def _check_target(text: str, where: str) -> None:
    try:
        parse_target(text)
    except TrtZooError as error:
        raise InputError(f"{where}: {str(error).removeprefix('--target ')}") from error
