"""What models are and what they find on a few pictures, as it stands in a results file."""

from __future__ import annotations

from dataclasses import dataclass

from ..environment import Environment
from ..models import ModelFacts
from ..verification.results import VerifyResults

SCHEMA = "trtzoo.report"


@dataclass(frozen=True)
class Inspected:
    """One model.

    Attributes:
        model: what it is.
        facts: of `inspect`, as they are shown.
        weights: bytes by type ("float32"), largest first; empty where the file does not say.
    """

    model: ModelFacts
    facts: dict[str, str]
    weights: dict[str, int]


@dataclass(frozen=True)
class View:
    """What a model found in a picture.

    Attributes:
        label: of the model.
        webp: the picture with the findings drawn into it, base64.
        findings: how many.
        best: the best one in words, "" for none.
    """

    label: str
    webp: str
    findings: int
    best: str


@dataclass(frozen=True)
class Shown:
    """A picture.

    Attributes:
        name: of its file.
        size: height, width of the WebP pictures.
        webp: without findings, base64; "" where several models are compared with each other.
        views: one a model.
    """

    name: str
    size: tuple[int, int]
    webp: str
    views: tuple[View, ...]


@dataclass(frozen=True)
class ReportResults:
    """What `report` found out itself.

    Attributes:
        environment: where and how.
        models: in the order of the call.
        pictures: with what was found in them.
        verified: each further model that was converted from the same file as the first, held against that one.
    """

    environment: Environment
    models: tuple[Inspected, ...]
    pictures: tuple[Shown, ...]
    verified: tuple[VerifyResults, ...] = ()
