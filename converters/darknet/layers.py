"""DarkNet's layers as typed records: what each section of a cfg means, with DarkNet's defaults (src/parser.c)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import UnsupportedError
from .cfg import Section


@dataclass(frozen=True)
class Net:
    """`[net]`: the input, channels x height x width, and whether pictures are letterboxed."""

    channels: int
    height: int
    width: int
    letter_box: bool


@dataclass(frozen=True)
class Convolutional:
    """Strides and dilation are vertical, horizontal; `padding` is on every side, before dilation multiplies it."""

    filters: int
    size: int
    stride: tuple[int, int]
    padding: int
    dilation: int
    groups: int
    batch_normalize: bool
    activation: str


@dataclass(frozen=True)
class Pool:
    """`[maxpool]` and `[local_avgpool]`: `padding` is the sum of both sides."""

    average: bool
    size: int
    stride: tuple[int, int]
    padding: int


@dataclass(frozen=True)
class AvgPool:
    """The mean of each channel."""


@dataclass(frozen=True)
class Upsample:
    """Every pixel `stride` times in both directions, multiplied by `scale`."""

    stride: int
    scale: float


@dataclass(frozen=True)
class Route:
    """Channels of several layers joined, each cut to its `group_id`-th of `groups` parts."""

    layers: tuple[int, ...]
    groups: int
    group_id: int


@dataclass(frozen=True)
class Shortcut:
    """A sum; `weights` is none, per_feature or per_channel, `normalization` none, relu or softmax."""

    layers: tuple[int, ...]
    weights: str
    normalization: str
    activation: str


@dataclass(frozen=True)
class Reorg:
    """Pixels to channels; `true_order` tells [reorg3d] from DarkNet's own order of [reorg]."""

    stride: int
    true_order: bool
    reverse: bool


@dataclass(frozen=True)
class Scale:
    """`[scale_channels]` and `[sam]`: another layer multiplied by the previous one."""

    layer: int
    kind: str
    activation: str


@dataclass(frozen=True)
class Identity:
    """A layer that only training uses."""


@dataclass(frozen=True)
class Yolo:
    """`[yolo]`: anchors (width, height) in network-input pixels, those of the mask only."""

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float
    new_coords: bool
    nms_kind: str

    values = 5
    """Of an anchor, apart from the classes: x, y, w, h, objectness."""


@dataclass(frozen=True)
class GaussianYolo:
    """`[Gaussian_yolo]`: like yolo, with an uncertainty beside each coordinate; x, y are the box's `point`."""

    anchors: tuple[tuple[float, float], ...]
    classes: int
    scale_x_y: float
    point: str
    nms_kind: str

    values = 9
    """Of an anchor, apart from the classes: x, ux, y, uy, w, uw, h, uh, objectness."""


@dataclass(frozen=True)
class Region:
    """`[region]`: YOLOv2's head; anchors (width, height) in grid cells."""

    anchors: tuple[tuple[float, float], ...]
    classes: int
    softmax: bool
    nms_kind: str = "default"

    values = 5
    """Of an anchor, apart from the classes: x, y, w, h, objectness."""


Head = Yolo | GaussianYolo | Region
Spec = Convolutional | Pool | AvgPool | Upsample | Route | Shortcut | Reorg | Scale | Identity | Head

ACTIVATIONS = (
    "linear", "logistic", "leaky", "revleaky", "relu", "relu6", "relie", "ramp", "swish", "mish", "hard_mish", "tanh",
    "hardtan", "lhtan", "loggy", "plse", "elu", "selu", "gelu", "stair", "normalize_channels",
    "normalize_channels_softmax", "normalize_channels_softmax_maxval",
)  # fmt: skip


def parse_net(section: Section) -> Net:
    """Read `[net]`.

    Raises:
        InputError: it is not the first section, or has no usable size.
    """
    if section.name not in ("net", "network"):
        raise section.error("a cfg begins with [net]; is this a part of another file?")
    height, width = (section.integer(key, 0, 1, 16384) for key in ("height", "width"))
    if not height or not width:
        raise section.error("needs width= and height= of the input")
    return Net(section.integer("channels", 3, 1, 1024), height, width, section.flag("letter_box"))


def parse_layer(section: Section, index: int) -> Spec:
    """Read the section of layer `index`.

    Raises:
        UnsupportedError: the section, or a switch in it, is one that trtzoo does not convert.
        InputError: a value that cannot be.
    """
    parser = _PARSERS.get(section.name)
    if parser is None:
        hint = (
            "; it belongs to YOLOv1, recurrent or training-only networks"
            if section.name in REFUSED
            else _nearest(section.name)
        )
        raise UnsupportedError(f"{section.where()} is a section that trtzoo does not convert{hint}")
    for key in UNSUPPORTED_KEYS.get(section.name, ()):
        if section.text(key, "0") not in ("0", "-1"):
            raise UnsupportedError(
                f"{section.where(key)} {key}={section.text(key, '')} is not supported, and would change what the layer computes"
            )
    return parser(section, index)


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, list(_PARSERS), n=1)
    return f"; did you mean [{close[0]}]?" if close else f"; the known ones are {', '.join(sorted(_PARSERS))}"


def _activation(section: Section, default: str) -> str:
    name = section.text("activation", default)
    if name not in ACTIVATIONS:
        close = {"silu": ["swish"], "sigmoid": ["logistic"]}.get(name) or difflib.get_close_matches(
            name, ACTIVATIONS, n=1
        )
        hint = f"did you mean {close[0]}?" if close else f"the known ones are {', '.join(ACTIVATIONS)}"
        raise section.error(f"activation={name} is unknown (DarkNet would silently take relu); {hint}", "activation")
    return name


def _stride(section: Section) -> tuple[int, int]:
    stride = section.integer("stride", 1, 1)
    return section.integer("stride_y", stride, 1), section.integer("stride_x", stride, 1)


def _references(section: Section, key: str, index: int) -> tuple[int, ...]:
    """Absolute layer numbers of a list in which negative ones count back from this layer."""
    given = section.integers(key)
    if not given:
        raise section.error(f"needs {key}=, the layers that it reads", key)
    layers = tuple(index + number if number < 0 else number for number in given)
    for number, layer in zip(given, layers, strict=True):
        if not 0 <= layer < index:
            raise section.error(
                f"{key}={number} points to layer {layer}, but only layers 0 to {index - 1} stand before it", key
            )
    return layers


def _convolutional(section: Section, index: int) -> Convolutional:
    size = section.integer("size", 1, 1, 1024)
    padding = size // 2 if section.flag("pad") else section.integer("padding", 0)
    return Convolutional(
        filters=section.integer("filters", 1, 1),
        size=size,
        stride=_stride(section),
        padding=padding,
        dilation=1 if size == 1 else section.integer("dilation", 1, 1, 1024),
        groups=section.integer("groups", 1, 1),
        batch_normalize=section.flag("batch_normalize") or section.flag("cbn"),
        activation=_activation(section, "logistic"),
    )


def _pool(section: Section, index: int) -> Pool:
    stride = _stride(section)
    size = section.integer("size", section.integer("stride", 1, 1), 1, 1024)
    average = section.name in ("local_avg", "local_avgpool")
    return Pool(average, size, stride, section.integer("padding", size - 1))


def _upsample(section: Section, index: int) -> Upsample:
    return Upsample(section.integer("stride", 2, 1, 64), section.number("scale", 1.0))


def _route(section: Section, index: int) -> Route:
    groups = section.integer("groups", 1, 1)
    group_id = section.integer("group_id", 0)
    if group_id >= groups:
        raise section.error(f"group_id={group_id} does not exist among groups={groups}; it counts from 0", "group_id")
    return Route(_references(section, "layers", index), groups, group_id)


def _shortcut(section: Section, index: int) -> Shortcut:
    weights = _choice(
        section,
        "weights_type",
        {"none": "none", "per_feature": "per_feature", "per_layer": "per_feature", "per_channel": "per_channel"},
    )
    normalization = _choice(
        section, "weights_normalization", {"none": "none", "relu": "relu", "avg_relu": "relu", "softmax": "softmax"}
    )
    if weights != "none" and normalization == "none":
        raise section.error("weights_type needs weights_normalization=relu or softmax, as in DarkNet", "weights_type")
    return Shortcut(_references(section, "from", index), weights, normalization, _activation(section, "linear"))


def _choice(section: Section, key: str, meanings: dict[str, str]) -> str:
    value = section.text(key, "none")
    if value not in meanings:
        raise section.error(f"{key}={value} is unknown; use one of {', '.join(meanings)}", key)
    return meanings[value]


def _reorg(section: Section, index: int) -> Reorg:
    reorg = Reorg(section.integer("stride", 1, 1, 64), section.name == "reorg3d", section.flag("reverse"))
    if reorg.reverse and reorg.true_order:
        raise UnsupportedError(f"{section.where('reverse')} reverse=1 is not supported in [reorg3d]")
    return reorg


def _scale(section: Section, index: int) -> Scale:
    kind = "sam" if section.name == "sam" else "scale_wh" if section.flag("scale_wh") else "scale_channels"
    return Scale(_references(section, "from", index)[0], kind, _activation(section, "linear"))


def _yolo(section: Section, index: int) -> Yolo:
    anchors = _masked_anchors(section)
    return Yolo(
        anchors, _classes(section), section.number("scale_x_y", 1.0), section.flag("new_coords"), _nms_kind(section)
    )


def _gaussian_yolo(section: Section, index: int) -> GaussianYolo:
    point = section.text("yolo_point", "center")
    point = point if point in ("left_top", "right_bottom") else "center"
    return GaussianYolo(
        _masked_anchors(section), _classes(section), section.number("scale_x_y", 1.0), point, _nms_kind(section)
    )


def _region(section: Section, index: int) -> Region:
    if section.integer("coords", 4) != 4:
        raise UnsupportedError(
            f"{section.where('coords')} coords={section.text('coords', '')} is not supported; only 4 is"
        )
    return Region(_anchors(section, section.integer("num", 1, 1, 1000)), _classes(section), section.flag("softmax"))


def _classes(section: Section) -> int:
    return section.integer("classes", 20, 1)


def _nms_kind(section: Section) -> str:
    return section.text("nms_kind", "default")


def _anchors(section: Section, count: int) -> tuple[tuple[float, float], ...]:
    values = section.numbers("anchors")
    if len(values) < 2 * count:
        raise section.error(
            f"needs {count} anchors (num={count}), {2 * count} numbers, but anchors= gives {len(values)}", "anchors"
        )
    pairs = tuple(zip(values[: 2 * count : 2], values[1 : 2 * count : 2], strict=True))
    if any(width <= 0 or height <= 0 for width, height in pairs):
        raise section.error("anchors= must be positive widths and heights", "anchors")
    return pairs


def _masked_anchors(section: Section) -> tuple[tuple[float, float], ...]:
    anchors = _anchors(section, section.integer("num", 1, 1, 1000))
    mask = section.integers("mask") or tuple(range(len(anchors)))
    for number in mask:
        if not 0 <= number < len(anchors):
            raise section.error(f"mask={number} names an anchor that does not exist; num={len(anchors)}", "mask")
    return tuple(anchors[number] for number in mask)


_PARSERS: dict[str, Callable[[Section, int], Spec]] = {
    "conv": _convolutional,
    "convolutional": _convolutional,
    "max": _pool,
    "maxpool": _pool,
    "local_avg": _pool,
    "local_avgpool": _pool,
    "avg": lambda section, index: AvgPool(),
    "avgpool": lambda section, index: AvgPool(),
    "upsample": _upsample,
    "route": _route,
    "shortcut": _shortcut,
    "reorg": _reorg,
    "reorg3d": _reorg,
    "scale_channels": _scale,
    "sam": _scale,
    "dropout": lambda section, index: Identity(),
    "empty": lambda section, index: Identity(),
    "silence": lambda section, index: Identity(),
    "yolo": _yolo,
    "Gaussian_yolo": _gaussian_yolo,
    "region": _region,
}

REFUSED = (
    "local", "connected", "conn", "crnn", "rnn", "lstm", "gru", "conv_lstm", "history", "detection", "crop", "cost",
    "softmax", "soft", "normalization", "lrn", "batchnorm", "contrastive", "implicit", "activation", "deconvolutional",
)  # fmt: skip
"""Sections of DarkNet that no convertible YOLO has."""

_CONVOLUTION_SWITCHES = (
    "xnor", "binary", "antialiasing", "share_index", "flipped", "sway", "rotate", "stretch", "stretch_sway", "reverse",
    "coordconv",
)  # fmt: skip
_POOL_SWITCHES = ("maxpool_depth", "antialiasing", "maxpool_zero_nonmax")

UNSUPPORTED_KEYS: dict[str, Sequence[str]] = {
    "conv": _CONVOLUTION_SWITCHES,
    "convolutional": _CONVOLUTION_SWITCHES,
    "max": _POOL_SWITCHES,
    "maxpool": _POOL_SWITCHES,
    "region": ("tree", "classfix"),
}
"""Keys that DarkNet knows and that would change the layer's result; 0 is their default."""
