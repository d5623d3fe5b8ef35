"""The keys that a cfg may hold, and what to say of others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from . import net
from .cfg import Section
from .sections import SECTIONS

_COMMON = """
    stopbackward train_only_bn onlyforward dontload dontloadscales dont_update freeze name stream wait_stream learning_rate
    burnin_update
"""


def check_keys(sections: Iterable[Section]) -> list[str]:
    """Warnings for the keys that nothing knows.

    Raises:
        InputError: an unknown key is so near to one that shapes the layer that it must be meant.
    """
    return [warning for section in sections for warning in _check_section(section)]


def _check_section(section: Section) -> Iterator[str]:
    shaping, others = _known(section.name)
    for key in section.options:
        if key in others or key in shaping:
            continue
        meant = [
            close for close in difflib.get_close_matches(key, shaping, n=1, cutoff=0.8) if close not in section.options
        ]
        if meant:
            raise section.error(f"{key}= is unknown, and {meant[0]}= is missing; did you mean {meant[0]}=?", key)
        yield f"{section.where(key)} {key}= is unknown and was ignored"


def _known(name: str) -> tuple[list[str], set[str]]:
    """The keys that shape a section, and the others that it may hold."""
    if name in net.NAMES:
        return net.KEYS.split(), {*net.IGNORED.split(), *_COMMON.split()}
    kind = SECTIONS.get(name)
    if kind is None:
        return [], set(_COMMON.split())
    return kind.keys.split(), {*kind.ignored.split(), *_COMMON.split(), *kind.refused}
