"""Labels: text on a filled strip, beside its object and clear of the other labels where there is room."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from ....graph.weights import Array
from .colours import Colour, ink_on


@dataclass(frozen=True)
class Pen:
    """Line width in pixels and font scale."""

    width: int
    font: float

    @property
    def thickness(self) -> int:
        """Of the letters, in pixels."""
        return max(1, round(self.font * 1.6))


@dataclass(frozen=True)
class Strip:
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    def shared_with(self, other: Strip) -> int:
        """Pixels that lie in both."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return max(0, across) * max(0, down)


@dataclass
class Labels:
    """The labels of one picture, which know where the ones before them stand."""

    canvas: Array
    pen: Pen
    taken: list[Strip] = field(default_factory=list)

    def write(self, text: str, outline: Array, colour: Colour) -> None:
        """Write a text at the place around an object (its corners int32 [4, 2]) that hides least of other labels.

        Places are tried in this order: above its upper edge, in it, below its lower edge, each at the left and at the right.
        """
        places = [self._inside(place) for place in self._places(text, outline)]
        best = min(places, key=lambda place: sum(place.shared_with(other) for other in self.taken))
        self.taken.append(best)
        self._fill(text, best, colour)

    def height(self, text: str) -> int:
        """Of the strip behind a text, in pixels."""
        return self._size(text)[1]

    def _places(self, text: str, outline: Array) -> Iterator[Strip]:
        (left, top), (right, bottom) = outline.min(axis=0).tolist(), outline.max(axis=0).tolist()
        width, height, _ = self._size(text)
        levels = (top - height, top, bottom - height, bottom) if top >= height else (top, bottom - height, bottom)
        for level in levels:
            yield Strip(left, level, width, height)
            yield Strip(right - width, level, width, height)

    def _inside(self, place: Strip) -> Strip:
        """The place moved into the picture."""
        height, width = self.canvas.shape[:2]
        left = min(max(place.left, 0), max(0, width - place.width))
        top = min(max(place.top, 0), max(0, height - place.height))
        return Strip(left, top, place.width, place.height)

    def _size(self, text: str) -> tuple[int, int, int]:
        """Width and height of the strip behind a text, and how far its lowest letters reach below the line, in pixels."""
        from ....opencv import cv2

        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self.pen.font, self.pen.thickness)
        return width + 2 * self.pen.width, height + base + 2 * self.pen.width, base

    def _fill(self, text: str, place: Strip, colour: Colour) -> None:
        from ....opencv import cv2

        pen, end = self.pen, (place.left + place.width, place.top + place.height)
        cv2.rectangle(self.canvas, (place.left, place.top), end, colour, cv2.FILLED)
        start = place.left + pen.width, end[1] - self._size(text)[2] - pen.width // 2
        ink = ink_on(colour)
        cv2.putText(self.canvas, text, start, cv2.FONT_HERSHEY_SIMPLEX, pen.font, ink, pen.thickness, cv2.LINE_AA)


def label_of(name: str, number: int) -> str:
    """A class's name in the letters that OpenCV can draw: without accents; its number where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain if plain.strip() else str(number)
