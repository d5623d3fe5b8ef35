"""Every official YOLO cfg: accepted and emitted as a valid graph, or refused with the reason."""

from __future__ import annotations

import zipfile

import numpy as np
import onnx
import pytest
from darknet_files import layers_of
from shared import WEIGHTS, needs_weights

from trtzoo import ReadOptions
from trtzoo.converters import read_network
from trtzoo.converters.network import to_graph
from trtzoo.errors import TrtZooError
from trtzoo.graph.skeleton import skeleton

ARCHIVE = WEIGHTS / "darknet-all-yolo-cfgs.zip"
REFUSED = {
    "yolov1": "is a section that trtzoo does not convert",
    "yolo9000": "tree=",
    "xnor": "xnor=1 is not supported",
    "occlusion_track": "[crnn]",
    "contrastive": "[contrastive]",
}

pytestmark = needs_weights


def names() -> list[str]:
    """One path for each different cfg text."""
    if not ARCHIVE.exists():
        return []
    with zipfile.ZipFile(ARCHIVE) as archive:
        texts = {archive.read(name): name for name in archive.namelist() if name.endswith(".cfg")}
    return sorted(texts.values())


def extract(name: str, folder):
    with zipfile.ZipFile(ARCHIVE) as archive:
        cfg = folder / "model.cfg"
        cfg.write_bytes(archive.read(name))
    return cfg


def reason_to_refuse(name: str) -> str | None:
    return next((reason for part, reason in REFUSED.items() if part in name), None)


def empty_weights(cfg) -> None:
    """Weights of the right length, all zero, that take no space on the disk."""
    numbers = sum(layer.weight_count for layer in layers_of(cfg))
    with cfg.with_suffix(".weights").open("wb") as stream:
        stream.write(np.array([0, 2, 5, 0, 0], "<i4").tobytes())
        stream.truncate(20 + 4 * numbers)


@pytest.mark.parametrize("name", [name for name in names() if not reason_to_refuse(name)])
def test_it_becomes_a_valid_graph(name, tmp_path):
    cfg = extract(name, tmp_path)
    empty_weights(cfg)
    network = read_network(cfg, ReadOptions())
    assert not [note for note in network.notes if "unknown" in note]
    graph, meta = to_graph(network, None, 17)
    model = skeleton(graph, {})
    inferred = onnx.shape_inference.infer_shapes(strip_weights(model), strict_mode=True, data_prop=True)
    shapes = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in inferred.graph.output}
    assert shapes["boxes"][0] == "batch" and shapes["boxes"][2] == 4
    assert shapes["scores"] == ["batch", shapes["boxes"][1], len(meta.names)]


def strip_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Lazy weights as graph inputs, since their values are not here."""
    for tensor in [t for t in model.graph.initializer if not t.raw_data and t.dims]:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        model.graph.initializer.remove(tensor)
    return model


@pytest.mark.parametrize("name", [name for name in names() if reason_to_refuse(name)])
def test_it_is_refused_by_name(name, tmp_path):
    cfg = extract(name, tmp_path)
    with pytest.raises(TrtZooError) as error:
        layers_of(cfg)
    assert reason_to_refuse(name) in str(error.value)
    assert "model.cfg:" in str(error.value)
