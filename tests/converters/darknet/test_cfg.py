"""What DarkNet makes of untidy cfg text, and files that are no cfg at all."""

from __future__ import annotations

import re

import pytest
from darknet_files import TINY, write_model

from trtzoo import ReadOptions
from trtzoo.converters import read_network
from trtzoo.converters.darknet.cfg import read_cfg
from trtzoo.errors import InputError, UnsupportedError


def sections_of(text, folder):
    cfg = folder / "m.cfg"
    cfg.write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
    return read_cfg(cfg)


def plain(sections):
    return [(section.name, {key: option.text for key, option in section.options.items()}) for section in sections]


UNTIDY = {
    "comments after numbers": (
        TINY.replace("filters=8", "filters=8 ; as many as 9").replace("size=1\n", "size=1 // 1x1\n"),
        "lines 9, 17 are a number with more after it",
    ),
    "a comment after a list": (
        TINY.replace("37,58", "37,58 ; from, k-means, 9 of them"),
        "line 22 is a number with more after it",
    ),
    "a unit": (TINY.replace("width=64", "width=64px"), "line 3 is a number with more after it"),
    "stray words": (TINY.replace("pad=1", "pad=1\nhere the fun begins"), "line 13 is neither [section] nor key=value"),
    "Ctrl-Z at the end": (TINY + "\x1a", "line 25 is neither [section] nor key=value"),
    "foreign stray words": (TINY + "\xe4\xb8\xad\xff", "line 25 is neither"),
    "a key twice": (TINY + "classes=7\n", "classes= stands twice; the first (line 23) counts"),
}


@pytest.mark.parametrize(("text", "note"), UNTIDY.values(), ids=UNTIDY)
def test_what_darknet_passes_over_is_a_note(text, note, tmp_path):
    sections, notes = sections_of(text, tmp_path)
    assert plain(sections) == plain(sections_of(TINY, tmp_path)[0])
    assert len(notes) == 1 and note in notes[0]


def test_tidy_text_has_no_notes(tmp_path):
    assert sections_of(TINY, tmp_path)[1] == []


def test_a_hash_ends_a_line_and_blanks_count_nowhere(tmp_path):
    text = TINY.replace("filters=8", "f i l ters = 8 # eight").replace("[yolo]", "[ yolo ] # head")
    assert plain(sections_of(text, tmp_path)[0]) == plain(sections_of(TINY, tmp_path)[0])


@pytest.mark.parametrize("text", [b"\n\n<!DOCTYPE html>\n<html><head>[net]\nwidth=3", b"<HTML lang='en'>[net]"])
def test_a_web_page_is_called_one(text, tmp_path):
    with pytest.raises(InputError, match=r"m\.cfg is a web page, not the cfg that it shows; .*Raw"):
        sections_of(text, tmp_path)


CLASSIFIER = "[net]\nwidth=64\nheight=64\n[convolutional]\nfilters=8\n[avgpool]\n[softmax]\ngroups=1\n"
OTHERS = {
    "a classifier": (CLASSIFIER, "[softmax] is a section that trtzoo does not convert; this cfg is a classifier"),
    "a classifier with layers of YOLOv1": (
        CLASSIFIER.replace("[avgpool]", "[connected]\noutput=1000"),
        "[connected] is a section that trtzoo does not convert; this cfg is a classifier",
    ),
    "YOLOv1": (
        CLASSIFIER.replace("[avgpool]", "[connected]\noutput=1470").replace("[softmax]", "[detection]"),
        "[connected] is a section that trtzoo does not convert; it belongs to YOLOv1",
    ),
    "a recurrent network": (CLASSIFIER.replace("[avgpool]", "[crnn]"), "this cfg is a classifier"),
    "a tracker": (TINY.replace("[yolo]", "[crnn]\n[yolo]"), "it belongs to recurrent networks"),
}


@pytest.mark.parametrize(("text", "message"), OTHERS.values(), ids=OTHERS)
def test_other_networks_are_called_what_they_are(text, message, tmp_path):
    cfg = tmp_path / "m.cfg"
    cfg.write_text(text)
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        read_network(cfg, ReadOptions())


def test_notes_reach_the_user(tmp_path):
    network = read_network(write_model(tmp_path, TINY.replace("pad=1", "pad=1\n???")), ReadOptions())
    assert any("line 13 is neither" in note for note in network.notes)
