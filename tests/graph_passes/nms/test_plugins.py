"""The plugin nodes themselves: domain, attributes with the types that TensorRT wants, and what each version takes."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from raw_heads import model_meta, raw_graph

from trtzoo.contract.nms import NmsSettings
from trtzoo.contract.outputs import end2end_outputs
from trtzoo.contract.properties import to_properties
from trtzoo.contract.target import parse_target
from trtzoo.graph.skeleton import load_all
from trtzoo.graph_passes.nms import add_nms


def plugin_node(target: str, batch: int | None = None, **more: Any) -> tuple[onnx.ModelProto, onnx.NodeProto]:
    meta = model_meta(batch=batch)
    graph = raw_graph(meta, 40)
    meta, _ = add_nms(graph, meta, NmsSettings(**more), parse_target(target))
    model = load_all(graph, to_properties(meta))
    onnx.checker.check_model(model)
    expected = [(spec.name, list(spec.shape)) for spec in end2end_outputs(meta)]
    shapes = [[axis.dim_param or axis.dim_value for axis in x.type.tensor_type.shape.dim] for x in model.graph.output]
    assert list(zip([x.name for x in model.graph.output], shapes, strict=True)) == expected
    return model, next(node for node in model.graph.node if node.op_type.startswith("EfficientNMS"))


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize(
    ("target", "agnostic"),
    [("tensorrt:8.5", False), ("tensorrt:8.6", False), ("tensorrt:9.0", True), ("deepstream:9.1", True)],
)
def test_efficient_nms(target: str, agnostic: bool, batch: int | None) -> None:
    model, node = plugin_node(target, batch, route="efficient", topk_all=50, conf_thres=0.3, iou_thres=0.6)
    assert node.domain == "TRT"
    assert "TRT" in {entry.domain for entry in model.opset_import}
    assert len(node.output) == 4
    given = attributes(node)
    assert given.pop("score_threshold") == pytest.approx(0.3)
    assert given.pop("iou_threshold") == pytest.approx(0.6)
    assert given == {
        "max_output_boxes": 50, "background_class": -1, "score_activation": 0, "box_coding": 0,
        "plugin_version": b"1", "plugin_namespace": b"", **({"class_agnostic": 0} if agnostic else {}),
    }  # fmt: skip
    kinds = {item.name: item.type for item in node.attribute}
    assert kinds["score_threshold"] == kinds["iou_threshold"] == onnx.AttributeProto.FLOAT
    assert kinds["max_output_boxes"] == onnx.AttributeProto.INT


@pytest.mark.parametrize("batch", [None, 4])
def test_efficient_nms_with_indices(batch: int | None) -> None:
    model, node = plugin_node("tensorrt:10.3", batch, route="efficient-idx", topk_all=50, candidates=30)
    assert attributes(node)["max_output_boxes_per_class"] == 50
    shapes = {
        x.name: [axis.dim_param or axis.dim_value for axis in x.type.tensor_type.shape.dim]
        for x in model.graph.value_info
    }
    first = batch or "batch"
    assert [shapes[name] for name in node.input] == [[first, 30, 4], [first, 30, 3]]
    assert shapes[node.output[0]] == [200 if batch else "rows", 3]


def test_single_label_scores_are_masked_before_the_plugin() -> None:
    for multi_label, expected in ((False, "Where"), (True, "Identity")):
        model, node = plugin_node("tensorrt:10.3", route="efficient", multi_label=multi_label)
        producer = next(item for item in model.graph.node if node.input[1] in item.output)
        assert producer.op_type == expected
