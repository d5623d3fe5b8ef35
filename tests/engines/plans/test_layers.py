"""The inspector's report, in the forms that each library gives it."""

import json
from pathlib import Path

import pytest

from trtzoo.contract.documents import from_document, to_document
from trtzoo.engines.plans.layers import Layer, by_precision, parse_report, parse_tensors

X, A, B, C = (
    f"{{ Name: {name}, Dimensions: {shape}, Strides: [1], Datatype: {kind}, Format: (Linear) Row major linear }}"
    for name, shape, kind in (
        ("images", "[1,3,64,96]", "Float"), ("a", "[1,3,64,96]", "Half"), ("b", "[1,8]", "Half"), ("c", "[8]", "Float"),
    )
)  # fmt: skip
NODES = "[ONNX Layer: /0/conv][ONNX Layer: /0/silu, odd name]"
TEXT = f"""Layers:
Name: __myl_Move_0, LayerType: kgen, Inputs: [ {X}], Constants: [], Outputs: [ {A}], Metadata: [ONNX Layer: c]
Name: __myl_CorrSilu_1, LayerType: runtime_fusion, Inputs: [ {A}], Constants: [ {C}], Outputs: [ {B}], Metadata: {NODES}
Name: wait, LayerType: wait, Inputs: [], Constants: [], Outputs: [], TacticName: , StreamId: 2, EventId: 10, Metadata:

I/O Tensors:
 Name: images, IOMode: Input, DataType: Float, Dimensions: [-1,3,64,96], Location: Device, ProfileInfo: [ ]
 Name: num_dets, IOMode: Output, DataType: Int32, Dimensions: [-1,1], Location: Device, ProfileInfo: [ ]
 Name: scalar, IOMode: Output, DataType: Half, Dimensions: [], Location: Device
"""

FP16_FORMAT = "Channel major FP16 format where channel % 8 == 0"
JSON_10 = {
    "Layers": [
        {
            "Name": "conv + silu", "LayerType": "CaskConvolution",
            "Inputs": [{"Name": "x", "Dimensions": [1, 3], "Format/Datatype": FP16_FORMAT}],
            "Outputs": [{"Name": "y", "Dimensions": [1, 8], "Format/Datatype": "Row major linear FP32"}],
            "Metadata": "[ONNX Layer: /0/conv]\u001e[ONNX Layer: /0/silu]",
        },
        "a layer of an engine without details",
    ],
    "Bindings": ["images"],
}  # fmt: skip
JSON_11 = {
    "Layers": [
        {
            "Name": "q", "LayerType": "kgen", "Inputs": [{"Name": "x", "Format": "Linear", "Datatype": "Int8"}],
            "Outputs": [{"Name": "y", "Format": "Linear", "Datatype": "Half"}], "Metadata": "",
        }
    ],
    "I/O Tensors": [{"Name": "images"}],
}  # fmt: skip


def test_text() -> None:
    assert parse_report(TEXT) == (
        Layer("__myl_Move_0", "kgen", ("fp32",), ("fp16",), ("c",)),
        Layer("__myl_CorrSilu_1", "runtime_fusion", ("fp16",), ("fp16",), ("/0/conv", "/0/silu, odd name")),
        Layer("wait", "wait"),
    )
    assert by_precision(parse_report(TEXT)) == {"fp32 > fp16": 1, "fp16": 1}


def test_tensors_in_the_text() -> None:
    assert parse_tensors(TEXT) == (
        ("images", "input", "float32", (-1, 3, 64, 96)),
        ("num_dets", "output", "int32", (-1, 1)),
        ("scalar", "output", "float16", ()),
    )


def test_json_of_tensorrt_10_and_11() -> None:
    layers = parse_report(json.dumps(JSON_10))
    assert layers[0] == Layer("conv + silu", "CaskConvolution", ("fp16",), ("fp32",), ("/0/conv", "/0/silu"))
    assert layers[1] == Layer("a layer of an engine without details", "")
    assert parse_report(json.dumps(JSON_11))[0].precision == "int8 > fp16"


NOT_TOLD = "N/A due to dynamic shapes"


def dynamic(name: str, kind: str, **more: object) -> dict[str, object]:
    """A layer of an engine with free axes, as TensorRT 8.5 to 10 tell it."""
    tensors = [{"Name": "x", "Dimensions": [-1, 3], "Format/Datatype": NOT_TOLD}]
    return {"Name": name, "LayerType": kind, "Inputs": tensors, "Outputs": tensors, "Metadata": ""} | more


def test_layers_of_free_shapes_have_the_type_of_their_weights_or_are_unknown() -> None:
    layers = [
        dynamic("conv", "CaskConvolution", Weights={"Type": "Half", "Count": 432}, Bias={"Type": "Half", "Count": 16}),
        dynamic("int8", "CaskConvolution", Weights={"Type": "Int8", "Count": 432}),
        dynamic("pool", "CaskPooling"),
        dynamic("no weights", "CaskDeconvolution", Weights={"Type": "Float", "Count": 0}),
    ]
    assert by_precision(parse_report(json.dumps({"Layers": layers}))) == {"unknown": 2, "fp16": 1, "int8": 1}


@pytest.mark.parametrize(
    "broken",
    [
        '"Beta": nan, "Alpha": -inf, "Gamma": [inf, -nan]',
        '"TacticName": "a\x1fb\x01c"',
        '"Note": "information: infinity, nan"',
    ],
    ids=["numbers that JSON lacks", "raw control characters of 8.6.0", "the same words in a text"],
)
def test_reports_that_are_not_quite_json_are_read(broken: str) -> None:
    tensor = '{"Name": "x", "Format/Datatype": "Row major linear FP16 format"}'
    report = f'{{"Layers": [{{"Name": "l", {broken}, "LayerType": "k", "Inputs": [{tensor}], "Outputs": []}}]}}'
    assert parse_report(report) == (Layer("l", "k", ("fp16",)),)


@pytest.mark.parametrize("report", ['{"Layers": [', "{}", "[]", "{nan}"])
def test_a_report_that_cannot_be_read_has_no_layers(report: str) -> None:
    assert parse_report(report) == ()


def test_narrowest_type_counts() -> None:
    assert Layer("l", "k", ("int8", "fp32", "int64"), ("int8",)).precision == "int8"
    assert Layer("shape", "k", ("int64",), ("int64",)).precision == ""


def test_no_report() -> None:
    assert parse_report("") == ()
    assert parse_tensors("") == ()


def test_layers_survive_json() -> None:
    layers = parse_report(TEXT)
    assert (
        from_document(json.loads(json.dumps(to_document(layers))), tuple[Layer, ...], "it", "make it again") == layers
    )


RECORDED = Path(__file__).parent / "data"


def test_a_real_report_of_tensorrt_rtx() -> None:
    """The tiny detector in half precision and with a free batch, as 1.7.1.116 printed it: decode is in single, counted by hand."""
    report = (RECORDED / "rtx-1.7.1.116.txt").read_text(encoding="utf-8")
    layers = parse_report(report)
    assert by_precision(layers) == {"fp16": 6, "fp32 > fp16": 1, "fp16 > fp32": 1}
    (decode,) = (layer for layer in layers if "/head/sigmoid" in layer.nodes)
    assert decode.precision == "fp16 > fp32"
    assert {"/stem/conv", "/down/conv", "/block/conv", "/up/conv", "/head/conv"} <= {
        n for layer in layers for n in layer.nodes
    }
    assert [(name, mode, dtype, shape[0]) for name, mode, dtype, shape in parse_tensors(report)] == [
        ("images", "input", "float32", -1), ("boxes", "output", "float32", -1), ("scores", "output", "float32", -1),
    ]  # fmt: skip


def test_real_reports_of_tensorrt_86() -> None:
    """A layer of each kind, as 8.6.0 told them on an H100, raw control characters between the nodes included; counted by hand."""
    quantised = parse_report((RECORDED / "tensorrt-8.6.0-int8.txt").read_bytes().decode())
    assert by_precision(quantised) == {"fp32": 12, "int8": 6, "fp32 > int8": 2, "int8 > fp32": 2}
    first = next(layer for layer in quantised if "/model.0/conv" in layer.nodes)
    assert first.nodes == ("/model.0/conv", "/model.0/act/silu.sigmoid", "/model.0/act/silu")
    assert first.precision == "int8"
    (plugin,) = (layer for layer in quantised if layer.kind == "PluginV2")
    assert (plugin.reads, plugin.writes) == (("fp32",), ("fp32", "int32"))
    free = parse_report((RECORDED / "tensorrt-8.6.0-free-batch.txt").read_bytes().decode())
    assert by_precision(free) == {"unknown": 15, "fp32": 1}, "the convolution has weights"
