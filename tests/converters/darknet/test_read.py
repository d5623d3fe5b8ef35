"""What is said of a DarkNet model besides its network: metadata and notes."""

from __future__ import annotations

import pytest
from darknet_files import TINY, write_model

from trtzoo import ReadOptions
from trtzoo.converters import read_network

WIDE = TINY.replace("width=64", "width=90").replace("size=3\nstride=2", "size=3\nstride_x=3\nstride_y=2")


def read(folder, text=TINY, **options):
    return read_network(write_model(folder, text), ReadOptions(**options))


def test_pictures_are_stretched_unless_the_net_says_letter_box(tmp_path):
    preprocess = read(tmp_path).meta.preprocess
    assert (preprocess.resize, preprocess.colour) == ("stretch", "rgb")
    letter = read(tmp_path, TINY.replace("channels=3", "channels=3\nletter_box=1")).meta.preprocess
    assert (letter.resize, letter.pad) == ("letterbox", 0.5)


def test_one_channel_is_gray(tmp_path):
    assert read(tmp_path, TINY.replace("channels=3", "channels=1")).meta.preprocess.colour == "gray"


def test_the_stride_is_the_inputs_height_in_cells(tmp_path):
    meta = read(tmp_path, WIDE).meta
    assert (meta.imgsz, meta.strides) == ((64, 90), (2,))


def test_another_size_keeps_channels_and_letter_box(tmp_path):
    meta = read(tmp_path, TINY.replace("channels=3", "channels=1\nletter_box=1"), img_size=(32, 96)).meta
    assert (meta.imgsz, meta.channels, meta.preprocess.resize) == ((32, 96), 1, "letterbox")


@pytest.mark.parametrize(("kind", "noted"), [("default", False), ("greedynms", True), ("diounms", True)])
def test_another_suppression_than_ours_is_noted(kind, noted, tmp_path):
    notes = read(tmp_path, TINY + f"nms_kind={kind}\n").notes
    assert any(f"nms_kind={kind}" in note for note in notes) == noted
