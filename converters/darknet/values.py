"""Values that several sections share: an activation, a stride, numbers of other layers, one of a few words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from .activations import ACTIVATIONS
from .cfg import COMMENT, Section


def activation(section: Section, default: str) -> str:
    """The name of an activation, one of `ACTIVATIONS`.

    Raises:
        InputError: it is none. DarkNet takes relu then, which nobody can have meant.
    """
    name = section.text("activation", default)
    if name in ACTIVATIONS:
        return name
    word = COMMENT.split(name)[0]
    if word in ACTIVATIONS:
        raise section.error(
            f"activation={name}: DarkNet reads the comment as a part of the word, and takes relu; remove the comment, or "
            f"write activation=relu if the weights were trained so",
            "activation",
        )
    close = {"silu": ["swish"], "sigmoid": ["logistic"]}.get(name) or difflib.get_close_matches(name, ACTIVATIONS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the known ones are {', '.join(ACTIVATIONS)}"
    raise section.error(f"activation={name} is unknown (DarkNet would silently take relu); {hint}", "activation")


def stride(section: Section) -> tuple[int, int]:
    """Vertical and horizontal stride."""
    both = section.integer("stride", 1, 1)
    return section.integer("stride_y", both, 1), section.integer("stride_x", both, 1)


def references(section: Section, key: str, index: int) -> tuple[int, ...]:
    """Absolute layer numbers of a list in which negative ones count back from this layer.

    Raises:
        InputError: there is none, or one that does not stand before layer `index`.
    """
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


def choice(section: Section, key: str, meanings: Mapping[str, str]) -> str:
    """What a word means, "none" where the key is absent.

    Raises:
        InputError: the word has no meaning.
    """
    value = section.text(key, "none")
    if value not in meanings:
        raise section.error(f"{key}={value} is unknown; use one of {', '.join(meanings)}", key)
    return meanings[value]
