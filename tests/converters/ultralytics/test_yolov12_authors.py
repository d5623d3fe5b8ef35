"""Area attention as YOLOv12's authors wrote it: `qk` and `v` instead of `qkv`.

The files in data/ were written by the code of github.com/sunsmarterjie/yolov12 (commit d3cbe10): random modules of 32 channels and
two heads, an input each (`x1`, `x4`, by the number of areas) and what the original makes of it in float64 (`y1`, `y4`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from running import largest_error, run_onnx

from trtzoo.contract.outputs import TensorSpec
from trtzoo.converters.checkpoint.reader import Record, read_checkpoint
from trtzoo.converters.torch_modules.modules import Walker
from trtzoo.converters.ultralytics.blocks import BLOCKS
from trtzoo.converters.vocabulary.onnx_ops import OnnxOps
from trtzoo.graph.skeleton import load_all

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("areas", [1, 4])
def test_it_computes_what_the_authors_code_does(areas):
    arrays = np.load(DATA / "yolov12_aattn.npz")
    x, expected = arrays[f"x{areas}"], arrays[f"y{areas}"]
    record = read_checkpoint(DATA / f"yolov12_aattn_area{areas}.pt")["module"]
    assert isinstance(record, Record) and record.class_name == "AAttn"
    ops = OnnxOps(TensorSpec("images", "float32", ("batch", *x.shape[1:])))
    graph = ops.finish({"y": Walker(ops, BLOCKS, path=("m",)).enter(record, ops.input)})
    made = run_onnx(load_all(graph, {}).SerializeToString(), x)["y"]
    assert largest_error(made, expected) < 1e-5
