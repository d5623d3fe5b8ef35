"""`[convolutional]`: convolution, batch normalisation or bias, activation (parser.c, parse_convolutional)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....graph.shapes import Window
from ...vocabulary.ops import BatchNorm, Conv, Ops, Tensor
from ..activations import activate
from ..cfg import Section
from ..layer import Arrays, Place, SectionType, Shape, Spec
from ..values import activation, stride

EPSILON = 1e-5
"""Added to the variance (AlexeyAB/darknet, src/network.c, fuse_conv_batchnorm)."""


@dataclass(frozen=True)
class Convolutional(Spec):
    """Strides are vertical, horizontal; `padding` is on every side, before dilation multiplies it."""

    filters: int
    size: int
    stride: tuple[int, int]
    padding: int
    dilation: int
    groups: int
    batch_normalize: bool
    activation: str

    def _window(self, dilated: bool = True) -> Window:
        dilation = self.dilation if dilated else 1
        return Window(self.stride, (self.padding * dilation,) * 4, (dilation, dilation), self.groups)

    def output(self, place: Place) -> Shape:
        channels, *size = place.shapes[0]
        if channels % self.groups or self.filters % self.groups:
            raise place.section.error(
                f"groups={self.groups} divides neither {channels} input channels and filters={self.filters}", "groups"
            )
        kernel = (self.size, self.size)
        height, width = self._window().shrunk(size, kernel)
        if self.dilation > 1 and [height, width] != self._window(dilated=False).shrunk(size, kernel):
            raise place.section.error(
                f"dilation={self.dilation} with this padding reads past the input in DarkNet; use pad=1", "dilation"
            )
        return self.filters, height, width

    def arrays(self, shapes: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
        """In the order of load_convolutional_weights (parser.c)."""
        names = ("bias", "scale", "mean", "variance") if self.batch_normalize else ("bias",)
        kernel = (self.filters, shapes[0][0] // self.groups, self.size, self.size)
        return dict.fromkeys(names, (self.filters,)) | {"weight": kernel}

    def forward(self, ops: Ops, inputs: Sequence[Tensor], arrays: Arrays) -> Tensor:
        norm = (
            BatchNorm(arrays["scale"], arrays["bias"], arrays["mean"], arrays["variance"], EPSILON)
            if self.batch_normalize
            else None
        )
        window = self._window()
        conv = Conv(
            weight=arrays["weight"],
            bias=None if norm else arrays["bias"],
            batch_norm=norm,
            stride=window.stride,
            pads=window.pads,
            dilation=window.dilation,
            groups=window.groups,
        )
        return activate(ops, ops.conv2d(inputs[0], conv), self.activation)


def parse(section: Section, index: int) -> Convolutional:
    size = section.integer("size", 1, 1, 1024)
    return Convolutional(
        filters=section.integer("filters", 1, 1),
        size=size,
        stride=stride(section),
        padding=size // 2 if section.flag("pad") else section.integer("padding", 0),
        dilation=1 if size == 1 else section.integer("dilation", 1, 1, 1024),
        groups=section.integer("groups", 1, 1),
        batch_normalize=section.flag("batch_normalize") or section.flag("cbn"),
        activation=activation(section, "logistic"),
    )


TYPES = (
    SectionType(
        names=("convolutional", "conv"),
        parse=parse,
        keys="filters size stride stride_x stride_y pad padding dilation groups batch_normalize cbn activation",
        ignored="bin_output angle grad_centr assisted_excitation dot",
        refused=(
            "xnor", "binary", "antialiasing", "share_index", "flipped", "sway", "rotate", "stretch", "stretch_sway",
            "reverse", "coordconv",
        ),
    ),
)  # fmt: skip
