"""DarkNet's sections, a file a kind: what its keys mean, the shape it makes, its weights, its forward pass.

`SECTIONS` finds a kind by the name in a cfg. To add one, write its file and list it here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from ....errors import UnsupportedError
from ..cfg import Section
from ..layer import SectionType, Spec
from . import convolutional, gaussian_yolo, identity, pool, region, reorg, route, scale, shortcut, upsample, yolo

_FILES = (convolutional, pool, upsample, route, shortcut, reorg, scale, identity, yolo, gaussian_yolo, region)

SECTIONS: Mapping[str, SectionType] = {
    name: kind for file in _FILES for kind in file.TYPES for name in kind.names
}  # fmt: skip

_TRAINING = "only training uses it"
_YOLOV1 = "it belongs to YOLOv1, whose fully connected layers trtzoo does not read"
_CLASSIFIER = "this cfg is a classifier; of DarkNet's networks trtzoo converts the detectors"
_RECURRENT = "it belongs to recurrent networks, which remember pictures"
_RARE = "no published YOLO detector has it"

REFUSED: Mapping[str, str] = (
    dict.fromkeys(("softmax", "soft"), _CLASSIFIER)
    | dict.fromkeys(("connected", "conn", "local", "detection"), _YOLOV1)
    | dict.fromkeys(("crnn", "rnn", "lstm", "gru", "conv_lstm", "history"), _RECURRENT)
    | dict.fromkeys(("cost", "crop", "contrastive"), _TRAINING)
    | dict.fromkeys(("normalization", "lrn", "batchnorm", "implicit", "activation", "deconvolutional"), _RARE)
)
"""Sections of DarkNet that trtzoo does not convert, and why."""


def parse_layer(section: Section, index: int, names: Collection[str]) -> Spec:
    """Read the section of layer `index`; `names` are those of all sections of the cfg.

    Raises:
        UnsupportedError: the section, or a switch in it, is one that trtzoo does not convert.
        InputError: a value that cannot be.
    """
    kind = SECTIONS.get(section.name)
    if kind is None:
        raise UnsupportedError(
            f"{section.where()} is a section that trtzoo does not convert; {_why(section.name, names)}"
        )
    for key in kind.refused:
        if section.text(key, "0") not in ("0", "-1"):
            raise UnsupportedError(
                f"{section.where(key)} {key}={section.text(key, '')} is not supported, and would change what the layer computes"
            )
    return kind.parse(section, index)


def _why(name: str, names: Collection[str]) -> str:
    if name not in REFUSED:
        close = difflib.get_close_matches(name, list(SECTIONS), n=1)
        return f"did you mean [{close[0]}]?" if close else f"the known ones are {', '.join(sorted(SECTIONS))}"
    is_classifier = not {"detection", "yolo", "region"} & set(names) and {"softmax", "soft"} & set(names)
    return _CLASSIFIER if is_classifier else REFUSED[name]
