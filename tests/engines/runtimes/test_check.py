"""What is written is run before it is kept: good graphs of every task, layout and route pass, broken ones do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from colour_network import colour_network, write

from trtzoo.contract.properties import from_properties
from trtzoo.engines.runtimes.check import check_onnx
from trtzoo.errors import VerificationError

TASKS = ("detect", "pose", "segment", "obb")
FORMS = {
    "raw heads": (None, None),
    "raw heads as Ultralytics exports them": (None, "ultralytics"),
    "separate rows": ("plain", "separate"),
    "flat rows": ("plain", "flat"),
    "rows as Ultralytics exports them": ("plain", "ultralytics"),
}


@pytest.mark.parametrize("batch", [None, 3], ids=["free batch", "batch 3"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("form", FORMS)
def test_graphs_that_keep_the_contract_pass(form, task, batch, tmp_path):
    route, layout = FORMS[form]
    assert write(tmp_path, colour_network(task), batch, route, layout).exists()


@pytest.mark.parametrize("layout", [None, "ultralytics"])
def test_a_classifier_passes(layout, tmp_path):
    assert write(tmp_path, colour_network("classify"), layout=layout).exists()


def test_rows_for_deepstream_pass(tmp_path):
    assert write(tmp_path, colour_network(), None, "plain", "deepstream").exists()


@pytest.mark.parametrize("route", ["efficient", "efficient-idx"])
def test_plugins_are_run_as_standard_operators_and_stay_in_the_file(route, tmp_path, capsys):
    path = write(tmp_path, colour_network(), None, route, target="tensorrt:10.3")
    assert any(node.op_type.startswith("EfficientNMS") for node in onnx.load(path).graph.node)
    assert capsys.readouterr().err == ""


def changed(path, change) -> onnx.ModelProto:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return model


def rename_output(model: onnx.ModelProto) -> None:
    output = model.graph.output[0]
    model.graph.node.append(onnx.helper.make_node("Identity", [output.name], ["other"]))
    output.name = "other"


def swap_outputs(model: onnx.ModelProto) -> None:
    first, second = (onnx.ValueInfoProto.FromString(item.SerializeToString()) for item in model.graph.output[:2])
    model.graph.output[0].CopyFrom(second)
    model.graph.output[1].CopyFrom(first)


def cast_scores(model: onnx.ModelProto) -> None:
    output = next(item for item in model.graph.output if item.name == "scores")
    replace_output(
        model, output, onnx.helper.make_node("Cast", ["scores_before"], ["scores"], to=onnx.TensorProto.DOUBLE)
    )
    output.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def divide_by_zero(model: onnx.ModelProto) -> None:
    output = next(item for item in model.graph.output if item.name == "scores")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    replace_output(model, output, onnx.helper.make_node("Div", ["scores_before", "zero"], ["scores"]))


def replace_output(model: onnx.ModelProto, output: onnx.ValueInfoProto, node: onnx.NodeProto) -> None:
    """Let `node` stand between what made an output, now NAME_before, and the output."""
    for other in model.graph.node:
        for names in (other.input, other.output):
            names[:] = [f"{name}_before" if name == output.name else name for name in names]
    model.graph.node.append(node)


FAULTS = {
    "an output of another name": (rename_output, r"outputs \['other', 'scores'\] instead of \['boxes', 'scores'\]"),
    "outputs in another order": (swap_outputs, r"outputs \['scores', 'boxes'\] instead of"),
    "an output of another type": (cast_scores, r"scores is float64\[1, 24, 3\] instead of float32\[1, 'A', 3\]"),
    "an output that is not finite": (divide_by_zero, r"its scores are not all finite.*--no-verify keeps it"),
}


@pytest.mark.parametrize(("change", "message"), FAULTS.values(), ids=FAULTS)
def test_a_broken_graph_is_named(change, message, tmp_path):
    path = write(tmp_path, colour_network())
    model = changed(path, change)
    meta = from_properties({entry.key: entry.value for entry in model.metadata_props}, "model.onnx")
    with pytest.raises(VerificationError, match=f"out.onnx was not kept: .*{message}"):
        check_onnx(path, meta, "out.onnx")


CONTRADICTIONS = {
    "another class count": ({"names": ("red", "green")}, None, None, "scores"),
    "another row count": ({}, "plain", "separate", "det_boxes"),
    "flat rows of another row count": ({}, "plain", "flat", "output"),
    "raw columns of another class count": ({"names": ("red",)}, None, "ultralytics", "output0"),
}


@pytest.mark.parametrize(("claims", "route", "layout", "tensor"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_outputs_that_contradict_the_metadata_are_found(claims, route, layout, tensor, tmp_path):
    path = write(tmp_path, colour_network(), 1, route, layout)
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    meta = replace(from_properties(properties, "model.onnx"), **claims)
    if meta.nms:
        meta = replace(meta, nms=replace(meta.nms, topk_all=7))
    with pytest.raises(VerificationError, match=f"out.onnx was not kept: {tensor} is .* instead of"):
        check_onnx(path, meta, "out.onnx")


def test_a_batch_that_was_baked_in_is_found(tmp_path):
    """The file has one picture in its shapes, its metadata promises any number."""
    path = write(tmp_path, colour_network())
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    meta = replace(from_properties(properties, "model.onnx"), batch=None)
    with pytest.raises(VerificationError, match=r"out\.onnx does not run, so it was not kept"):
        check_onnx(path, meta, "out.onnx")
