"""Lengths and variances of a weights file: what DarkNet runs with is read, with a note where it is odd."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from darknet_files import write_model
from running import run_network
from shared import GOLDEN, needs_golden

from trtzoo import ReadOptions
from trtzoo.converters import read_network
from trtzoo.converters.darknet.weights import read_header
from trtzoo.errors import ModelError

IMAGE = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)


@pytest.mark.parametrize(("more", "numbers"), [(b"\0" * 4, "1"), (b"\1", "0.25"), (b"\7" * 400, "100")])
def test_what_follows_the_weights_is_left_unread(more, numbers, tmp_path):
    cfg = write_model(tmp_path)
    expected = run_network(read_network(cfg, ReadOptions()), IMAGE)
    weights = cfg.with_suffix(".weights")
    weights.write_bytes(weights.read_bytes() + more)
    network = read_network(cfg, ReadOptions())
    assert any(f"is {numbers} numbers too long" in note and "leaves the rest unread" in note for note in network.notes)
    for name, values in run_network(network, IMAGE).items():
        np.testing.assert_array_equal(values, expected[name])


def with_variance(folder, value):
    """TINY's first layer with one variance replaced: after the header come 8 biases, 8 scales, 8 means."""
    cfg = write_model(folder)
    weights = cfg.with_suffix(".weights")
    data = bytearray(weights.read_bytes())
    struct.pack_into("<f", data, 20 + 4 * 24, value)
    weights.write_bytes(data)
    return cfg


@pytest.mark.parametrize("value", [0.0, -7e-44, -9.9e-6])
def test_a_variance_that_epsilon_makes_positive_is_read(value, tmp_path):
    heads = run_network(read_network(with_variance(tmp_path, value), ReadOptions()), IMAGE)
    assert np.isfinite(heads["scores"]).all()


@pytest.mark.parametrize("value", [-1.1e-5, -1.0, np.nan, np.inf])
def test_a_variance_without_a_root_is_refused(value, tmp_path):
    with pytest.raises(ModelError, match=r"variances of layer 0 \(.*model.cfg:7: \[convolutional\]\)"):
        read_network(with_variance(tmp_path, value), ReadOptions())


@needs_golden
def test_the_published_kind_of_negative_variance():
    network = read_network(GOLDEN / "faults" / "negvar.cfg", ReadOptions())
    heads = run_network(network, np.full((1, network.meta.channels, *network.meta.imgsz), 0.5, np.float32))
    assert all(np.isfinite(values).all() for values in heads.values())


@pytest.mark.parametrize(
    ("header", "size"),
    [((0, 1, 0), 16), ((0, 2, 0), 20), ((0, 2, 5), 20), ((1, 0, 0), 20), ((1001, 2, 0), 16)],
    ids=str,
)
def test_the_header_is_longer_from_version_0_2_on(header, size, tmp_path):
    path = tmp_path / "m.weights"
    path.write_bytes(struct.pack("<3iq", *header, 7))
    assert (read_header(path).size, read_header(path).seen) == (size, 7)
