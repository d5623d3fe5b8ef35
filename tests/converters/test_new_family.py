"""A family that trtzoo does not know, added as docs/architecture.md says, gets everything that works on raw heads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from running import assert_interpreters_agree, run_network

import trtzoo
from trtzoo import converters
from trtzoo.cli.entry import main
from trtzoo.contract.choices import Family
from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.converters.network import Network
from trtzoo.converters.options import ReadOptions
from trtzoo.converters.vocabulary.ops import Conv, Ops, Tensor
from trtzoo.graph.weights import Weight

PICTURES = Path(__file__).resolve().parents[2] / "samples" / "pictures"
MAGIC = b"TGRID1\n"
NAMES, SIZE, STRIDE, INNER = ("a", "b"), (64, 96), 8, 16


def read_grid(path: Path, options: ReadOptions) -> Network:
    """A line of JSON, then float32: three convolutions, of which the last gives cx, cy, w, h and the classes of each cell."""
    _, header, values = path.read_bytes().split(b"\n", 2)
    names = tuple(json.loads(header)["names"])
    shapes = (INNER, 3, STRIDE, STRIDE), (INNER, INNER, 1, 1), (4 + len(names), INNER, 1, 1)
    parts = np.split(np.frombuffer(values, "<f4"), np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    weights = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    height, width = options.img_size or SIZE
    family: Family = "onnx"  # one that exists: a type cannot be added to for the length of a test
    meta = ModelMeta(family, "detect", names, (STRIDE,), (height, width), preprocess=Preprocess("stretch"))

    def forward(ops: Ops, images: Tensor) -> Mapping[str, Tensor]:
        first, middle, last = (Weight(array.shape, array.dtype, partial(np.asarray, array)) for array in weights)
        cells = ops.unary("relu", ops.conv2d(images, Conv(first, stride=(STRIDE, STRIDE))))
        cells = ops.unary("relu", ops.conv2d(cells, Conv(middle)))
        rows = ops.reshape(ops.conv2d(cells, Conv(last)), (4 + len(names), height * width // STRIDE**2))
        centre, extent, scores = ops.split(ops.sigmoid(ops.transpose(rows, (0, 2, 1))), [2, 2, len(names)], axis=2)
        centre = ops.mul(ops.add(centre, grid(height, width)), float(STRIDE))
        half = ops.mul(extent, np.float32([[[width / 2, height / 2]]]))
        return {"boxes": ops.concat([ops.sub(centre, half), ops.add(centre, half)], axis=2), "scores": scores}

    return Network(meta, forward, weights_file=path)


def grid(height: int, width: int) -> np.ndarray:
    """Column and row of each cell [1, A, 2]."""
    columns, rows = np.meshgrid(np.arange(width // STRIDE), np.arange(height // STRIDE))
    return np.stack([columns, rows], -1).reshape(1, -1, 2).astype(np.float32)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A file of the family, which is known for the length of a test."""
    monkeypatch.setitem(converters._KINDS, "tinygrid", lambda head, suffix: head.startswith(MAGIC))
    monkeypatch.setitem(converters._READERS, "tinygrid", read_grid)
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    first = random.normal(0, 0.1, (INNER, 3, STRIDE, STRIDE)).astype("<f4")
    middle, last = (random.normal(0, 0.4, (out, INNER)).astype("<f4") for out in (INNER, 4 + len(NAMES)))
    header = json.dumps({"names": NAMES}).encode()
    Path("mine.grid").write_bytes(MAGIC + header + b"\n" + first.tobytes() + middle.tobytes() + last.tobytes())
    return Path("mine.grid"), first, middle, last


def test_its_heads_are_its_formula_in_both_interpreters(model):
    path, first, middle, last = model
    network = converters.read_network(path, ReadOptions())
    images = np.random.default_rng(4).random((2, 3, *SIZE), dtype=np.float32)
    heads = run_network(network, images)
    patches = images.reshape(2, 3, SIZE[0] // STRIDE, STRIDE, SIZE[1] // STRIDE, STRIDE)
    cells = np.maximum(0, np.einsum("bcyixj,ocij->byxo", patches, first)).reshape(2, -1, INNER)
    rows = 1 / (1 + np.exp(-np.maximum(0, cells @ middle.T) @ last.T))
    centre, half = (rows[..., :2] + grid(*SIZE)) * STRIDE, rows[..., 2:4] * np.float32([SIZE[1], SIZE[0]]) / 2
    np.testing.assert_allclose(heads["boxes"], np.concatenate([centre - half, centre + half], -1), atol=1e-3)
    np.testing.assert_allclose(heads["scores"], rows[..., 4:], atol=1e-5)
    assert_interpreters_agree(network, images)


@pytest.mark.parametrize(
    "command",
    [
        "convert mine.grid --end2end --half --dynamic",
        f"convert mine.grid --int8 --calib-path {PICTURES} --layout ultralytics",
        "deepstream mine.grid -o bundle",
        "build mine.grid --end2end --print-trtexec --target tensorrt:10.3",
        f"detect mine.grid {PICTURES} --backend torch -o found",
        "verify mine.grid mine.grid",
        "inspect mine.grid",
    ],
)
def test_every_command_takes_it(command, model, capsys):
    assert main(command.split()) == 0, capsys.readouterr().err


def test_end_to_end_it_has_names_and_rows(model):
    done = trtzoo.convert("mine.grid", "mine.onnx", trtzoo.ConvertSettings(end2end=trtzoo.EndToEnd()))
    assert (done.meta.names, done.meta.end2end) == (NAMES, True)
    with trtzoo.load("mine.onnx") as opened:
        found = opened(str(PICTURES / "shapes1.jpg"))
    assert len(found.boxes) and set(found.classes.tolist()) <= {0, 1}
