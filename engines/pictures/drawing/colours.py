"""Colours (blue, green, red) that can be told apart: of classes, and of the instances of one class."""

from __future__ import annotations

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (48, 48, 255), (0, 255, 0), (255, 48, 0), (255, 192, 0), (0, 96, 96), (192, 48, 255), (192, 255, 96), (0, 192, 255),
    (255, 192, 255), (144, 192, 255), (96, 48, 144), (0, 192, 144), (192, 96, 96), (255, 96, 192), (0, 96, 192), (96, 144, 48),
    (144, 96, 255), (96, 192, 192), (255, 0, 255), (48, 192, 0), (192, 192, 0), (255, 96, 0), (192, 96, 192), (96, 96, 192),
)  # fmt: skip
"""Each is the one farthest in CIELAB from all before it, among colours that are neither dark nor pale nor grey."""

SHADES = (0.0, 0.45, -0.4, 0.7, -0.6, 0.25)
"""How far the instances of a class go to white (above 0) or black, one after the other."""


def colour_of(number: int, instance: int = 0) -> Colour:
    """The colour of a class; each further instance has a lighter or darker shade of it.

    Args:
        number: of the class; beyond the palette its colours come again, each time a little darker.
        instance: of the class in the picture, from 0.
    """
    colour = PALETTE[number % len(PALETTE)]
    return _shaded(_shaded(colour, -0.2 * (number // len(PALETTE) % 4)), SHADES[instance % len(SHADES)])


def _shaded(colour: Colour, share: float) -> Colour:
    """A colour mixed with white, or with black where the share is below 0."""
    goal = 255 if share > 0 else 0
    blue, green, red = (round(value + abs(share) * (goal - value)) for value in colour)
    return blue, green, red


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever can be read on the colour."""
    return (0, 0, 0) if colour[0] * 0.114 + colour[1] * 0.587 + colour[2] * 0.299 > 130 else (255, 255, 255)
