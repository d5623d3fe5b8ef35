"""What a checkpoint says about its classes, in every spelling that was seen, and what is said where it says nothing."""

from __future__ import annotations

import pytest
from shared import WEIGHTS, needs_weights

from trtzoo import ReadOptions
from trtzoo.converters import read_network
from trtzoo.converters.checkpoint.facts import class_names, names_notes
from trtzoo.converters.checkpoint.tree import Record
from trtzoo.converters.names import readable_names

NAMED = {
    "a list": (["cat", "dog"], ("cat", "dog"), 2),
    "a dict by number": ({0: "cat", 1: "dog"}, ("cat", "dog"), 2),
    "a dict by numeral": ({"0": "cat", "1": "dog"}, ("cat", "dog"), 2),
    "more than there are classes": (["cat", "dog", "cow"], ("cat", "dog"), 2),
    "numbers as names": ({0: 7, 1: 8}, ("7", "8"), 2),
    "one missing": ({1: "dog"}, ("class0", "dog"), 1),
    "none": (None, ("class0", "class1"), 0),
    "keys that are no numbers": ({"a": "cat", "b": "dog"}, ("class0", "class1"), 0),
    "WordNet ids": (["n01440764", "n03769881"], ("tench", "minibus"), 2),
    "an id of no ImageNet class": (["n01440764", "n99999999"], ("tench", "n99999999"), 2),
}


@pytest.mark.parametrize(("given", "names", "named"), NAMED.values(), ids=NAMED)
def test_names(given, names, named):
    model = Record("ultralytics.nn.tasks.DetectionModel", attributes={"names": given})
    assert class_names(model, 2, ReadOptions()) == names
    notes = names_notes(model, 2, ReadOptions())
    assert len(notes) == (named < 2)
    if notes:
        assert ("no class" if not named else "only 1 of its 2 classes") in notes[0] and "--names" in notes[0]


def test_names_that_only_look_like_ids_stay():
    assert readable_names(["n0144076", "n01440764x", "noise"]) == ("n0144076", "n01440764x", "noise")


@needs_weights
def test_a_classifier_of_imagenet_shows_the_frameworks_words(tmp_path):
    names = read_network(WEIGHTS / "yolov8n-cls.pt", ReadOptions()).meta.names
    assert (len(names), names[0], names[654], names[999]) == (1000, "tench", "minibus", "toilet_tissue")


def test_every_word_is_the_frameworks():
    yaml = pytest.importorskip("yaml", reason="the framework's table is YAML")
    ultralytics = pytest.importorskip("ultralytics", reason="the framework is the reference of its words")
    from pathlib import Path

    text = (Path(ultralytics.__file__).parent / "cfg" / "datasets" / "ImageNet.yaml").read_text(encoding="utf-8")
    table = yaml.safe_load(text)["map"]
    assert readable_names(table) == tuple(table.values())
