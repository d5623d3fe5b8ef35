"""What a user may say about a model file when it is read."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.choices import Family, HeadChoice, OnnxLayout
from ..files import StrPath


@dataclass(frozen=True)
class ReadOptions:
    """Choices that override what the model file says or leaves open.

    Attributes:
        weights: DarkNet's `.weights`; None takes the cfg's stem beside it.
        names: a text file with one class name a line.
        img_size: height, width of the input; None takes the model's own.
        family: read the file with this family instead of recognising it.
        head: "one2one" or "one2many" of a model that has both.
        onnx_layout: how the outputs of another exporter's ONNX file are laid out, where it does not tell.
    """

    weights: StrPath | None = None
    names: StrPath | None = None
    img_size: tuple[int, int] | None = None
    family: Family | None = None
    head: HeadChoice | None = None
    onnx_layout: OnnxLayout | None = None
