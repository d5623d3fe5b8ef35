"""The order of the passes.

    read -> what the target cannot do -> thresholds -> simplify -> measure -> class thresholds -> NMS -> threshold inputs
    -> layout -> INT8 -> half -> uint8 input

Simplifying comes before everything that adds nodes of our own, which need none. Measuring runs the network as it was read.
Thresholds of classes filter the raw scores, so they stand before NMS. INT8 and half precision come after NMS, which they must see
to leave it alone; the uint8 input comes last, for its casts are not the network's.
"""

from __future__ import annotations

from . import class_thresholds, nms, simplify, thresholds, uint8_input
from .layouts import dressing
from .model import Pass
from .precision import half, int8, integer
from .settings import PassSettings


def plan(
    settings: PassSettings, find_overflow: half.FindOverflow, find_numbers: int8.FindNumbers | None = None
) -> list[Pass]:
    """The passes that the settings ask for, in order.

    Args:
        settings: what is wanted.
        find_overflow: runs pictures through a model, for half precision.
        find_numbers: calibrates a model; None leaves floats.
    """
    target = settings.parsed_target
    order = (
        integer.refused(target),
        nms.kept(settings.end2end, target),
        thresholds.changed(settings.thresholds),
        simplify.simplified(settings.simplify),
        half.measured(settings.half, find_overflow),
        int8.measured(find_numbers),
        class_thresholds.filtered(settings.end2end),
        nms.added(settings.end2end, target, settings.layout),
        thresholds.made_inputs(settings.end2end, target),
        dressing.dressed(None if settings.end2end else settings.layout),
        int8.quantised(find_numbers),
        half.halved(settings.half),
        uint8_input.taken(settings.uint8_input),
    )
    return [step for step in order if step is not None]
