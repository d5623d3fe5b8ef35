"""How a model is quantised, in words: "mse, no recovery, other resize" is a recipe.

A recipe starts from the default (`lp`, corrected biases, the preprocessing of `detect`, the heads' ends in floats); each part that
is separated by a comma changes one thing:

    lp, lp 2.5, mse, minmax, entropy, percentile 99.999    the method, with its number where it has one
    no recovery                                            biases as they were
    biases from 50                                         so many pictures for the correction
    other resize                                           calibrated on stretched pictures where `detect` letterboxes, or the reverse
    head in INT8                                           all layers
    first in floats                                        the layers that read the picture stay as they are
    without PATTERN                                        so do layers of that name
    distilled, distilled NAME                              the numbers of KEEP/MODEL.npz or KEEP/MODEL.NAME.npz (`gpu_distill.py`)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from accuracy import SHARED

from trtzoo.evaluation.calibration.ranges.methods import Method, Threshold
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph_passes.precision.qdq.points import QdqSettings

CALIBRATION = SHARED / "coco" / "examples"
DEFAULT = "default"


@dataclass(frozen=True)
class Recipe:
    """How a model is quantised."""

    threshold: Threshold = Threshold()
    other_resize: bool = False
    final_layers: bool = False
    bias: bool = True
    keep_first: bool = False
    bias_pictures: int = CalibrationSettings.bias_pictures
    exclude: tuple[str, ...] = ()
    file: str | None = None

    def settings(self, kept: Path | None = None) -> CalibrationSettings:
        """For `calibrate`; ranges are kept in that folder."""
        return CalibrationSettings(
            CALIBRATION,
            threshold=self.threshold,
            recovery="bias" if self.bias else "none",
            bias_pictures=self.bias_pictures,
            held_out=0,
            cache=kept,
            qdq=QdqSettings(self.exclude, self.keep_first, self.final_layers),
        )


def parse_recipe(text: str) -> Recipe:
    """A recipe from its words.

    Raises:
        ValueError: a part that is not known.
    """
    recipe = Recipe()
    for part in (words.strip() for words in text.split(",")):
        recipe = _changed(recipe, part)
    return recipe


def _changed(recipe: Recipe, part: str) -> Recipe:
    if part in _PLAIN:
        return _PLAIN[part](recipe)
    if part.split(" ")[0] == "distilled":
        return replace(recipe, file=".".join(["", *part.split(" ")[1:], "npz"]))
    if part.startswith("without "):
        return replace(recipe, exclude=(*recipe.exclude, part.removeprefix("without ")))
    if part.startswith("biases from "):
        return replace(recipe, bias_pictures=int(part.removeprefix("biases from ")))
    name, _, number = part.partition(" ")
    if name in get_args(Method):
        return replace(recipe, threshold=_threshold(name, float(number) if number else None))
    raise ValueError(f"{part!r} is no part of a recipe: {__doc__}")


def _threshold(name: Method, number: float | None) -> Threshold:
    if number is None:
        return Threshold(name)
    return Threshold(name, percentile=number) if name == "percentile" else Threshold(name, power=number)


_PLAIN: dict[str, Callable[[Recipe], Recipe]] = {
    DEFAULT: lambda recipe: recipe,
    "no recovery": lambda recipe: replace(recipe, bias=False),
    "other resize": lambda recipe: replace(recipe, other_resize=True),
    "head in INT8": lambda recipe: replace(recipe, final_layers=True),
    "first in floats": lambda recipe: replace(recipe, keep_first=True),
}
