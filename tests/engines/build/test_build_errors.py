"""Whatever is wrong with an ONNX file, the user gets one line that names the node, and the process lives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from rtx import needs_rtx
from tiny_models import write_tiny

from trtzoo import ConvertSettings, EndToEnd, ReadOptions, convert
from trtzoo.engines.build.builder import BuildSettings, build
from trtzoo.engines.build.errors import ParserError, explain_build, explain_parse
from trtzoo.engines.build.process.parent import Outcome, explain_death
from trtzoo.errors import InputError, TrtZooError, UnsupportedError

RTX = BuildSettings("tensorrt-rtx")
Graph = onnx.GraphProto


def node(graph: Graph, name: str) -> onnx.NodeProto:
    return next(entry for entry in graph.node if entry.name == name)


def add_output(graph: Graph, name: str, kind: int, shape: list[object]) -> None:
    graph.output.append(helper.make_tensor_value_info(name, kind, shape))


def constant(graph: Graph, name: str, values: object) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(values), name))


def mixed_types(graph: Graph) -> None:
    """A constant of the decode becomes half."""
    name = node(graph, "/head/mul").input[1]
    tensor = next(entry for entry in graph.initializer if entry.name == name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name))


def unknown_operator(graph: Graph) -> None:
    node(graph, "/up/silu").op_type = "FooBar"


def two_unknown_operators(graph: Graph) -> None:
    node(graph, "/up/silu").op_type = "FooBar"
    node(graph, "/stem/silu").op_type = "Quux"


def nameless(graph: Graph) -> None:
    node(graph, "/stem/silu").op_type = "FooBar"
    for entry in graph.node:
        entry.name = ""


def plugin(graph: Graph) -> None:
    attributes = {"score_threshold": 0.25, "iou_threshold": 0.45}
    graph.node.append(
        helper.make_node("EfficientNMS_TRT", ["boxes", "scores"], ["n", "b", "s", "c"], "nms", **attributes)
    )
    add_output(graph, "n", TensorProto.INT32, [1, 1])


def nms_layer(graph: Graph) -> None:
    constant(graph, "most", np.array([10], np.int64))
    graph.node.append(helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 1]))
    graph.node.append(helper.make_node("NonMaxSuppression", ["boxes", "turned", "most"], ["chosen"], "suppress"))
    add_output(graph, "chosen", TensorProto.INT64, ["n", 3])


def long_topk(graph: Graph) -> None:
    constant(graph, "k", np.array([3841], np.int64))
    graph.node.append(helper.make_node("Concat", ["scores"] * 8, ["many"], axis=1))
    graph.node.append(helper.make_node("TopK", ["many", "k"], ["best", "where"], "best", axis=1))
    add_output(graph, "best", TensorProto.FLOAT, [1, 3841, 3])


def lost_weights(graph: Graph) -> None:
    tensor = next(entry for entry in graph.initializer if entry.name == "/stem/conv.weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "gone.bin"


def topk_with_one_output(graph: Graph) -> None:
    entry = node(graph, "/up/silu")
    entry.op_type = "TopK"


def loop_with_a_foreign_body(graph: Graph) -> None:
    entry = node(graph, "/up/silu")
    entry.op_type = "Loop"
    body = copy.deepcopy(graph)
    entry.attribute.append(helper.make_attribute("body", body))


def wrong_channels(graph: Graph) -> None:
    node(graph, "/up/conv").input[0] = "/stem/silu:out"


def missing_tensor(graph: Graph) -> None:
    node(graph, "/up/conv").input[0] = "nowhere"


def integers_of_onnx_runtime(graph: Graph) -> None:
    node(graph, "/up/silu").op_type = "DynamicQuantizeLinear"


CASES: dict[str, tuple[Callable[[Graph], None], type[TrtZooError], str]] = {
    "mixed types": (mixed_types, UnsupportedError, r"node /head/mul \(Mul\): .*Float and Half.*add a Cast"),
    "unknown operator": (unknown_operator, UnsupportedError, r"node /up/silu \(FooBar\): .*replace it by standard"),
    "two unknown operators": (two_unknown_operators, UnsupportedError, r"/stem/silu \(Quux\).*/up/silu \(FooBar\)"),
    "node without a name": (nameless, UnsupportedError, r"node number 2 \(FooBar\)"),
    "EfficientNMS": (plugin, UnsupportedError, r"node nms \(EfficientNMS_TRT\).*--nms plain"),
    "ONNX Runtime's integers": (
        integers_of_onnx_runtime,
        UnsupportedError,
        r"DynamicQuantizeLinear.*quantised for ONNX Runtime.*float model",
    ),
    "NMS layer": (nms_layer, UnsupportedError, r"suppress.* no kernel for that node.*--nms plain"),
    "TopK too long": (long_topk, UnsupportedError, r"best.*3840.*--nms-candidates"),
    "weights missing": (lost_weights, InputError, r"keeps its weights in .*gone.bin, which is not there"),
    "wrong channels": (wrong_channels, UnsupportedError, r"/up/conv"),
    "missing tensor": (missing_tensor, TrtZooError, r"/up/conv|nowhere"),
    "crash: TopK with one output": (
        topk_with_one_output,
        UnsupportedError,
        r"crashed on .* at node /up/silu \[TopK\].*SIGSEGV",
    ),
    "crash: Loop with a foreign body": (loop_with_a_foreign_body, UnsupportedError, r"/up/silu|Loop"),
}


@needs_rtx
@pytest.mark.parametrize(("change", "kind", "says"), CASES.values(), ids=CASES)
def test_wrong_graph(tmp_path: Path, change: Callable[[Graph], None], kind: type[TrtZooError], says: str) -> None:
    model = onnx.load(write_tiny(tmp_path / "t.onnx"))
    del model.metadata_props[:]
    change(model.graph)
    (tmp_path / "t.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "t.engine").write_bytes(b"old")
    with pytest.raises(kind, match=says) as caught:
        build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)
    assert "\n" not in str(caught.value)
    assert "cudaError" not in str(caught.value), "that this machine has no GPU is not what is wrong"
    assert (tmp_path / "t.engine").read_bytes() == b"old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t.engine", "t.onnx"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\0\1\2" * 100, "cannot be read as ONNX|no ONNX graph"),
        (b"hello, not a model\n" * 9, "cannot be read as ONNX|no ONNX graph"),
        (b"\x08\x08", "no ONNX graph"),
    ],
    ids=["nothing", "zeros", "text", "only a version"],
)
def test_no_onnx_at_all(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "t.onnx").write_bytes(data)
    with pytest.raises(InputError, match=says):
        build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        build(tmp_path / "t.onnx", tmp_path / "t.engine", RTX)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    path = write_tiny(tmp_path / "t.onnx")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match="truncated"):
        build(path, tmp_path / "t.engine", RTX)


@needs_rtx
def test_mutated_files_never_end_this_process(tmp_path: Path) -> None:
    """Bytes of the structure are changed at random; the library may crash, in its own process."""
    data, path = write_tiny(tmp_path / "t.onnx").read_bytes(), tmp_path / "mutated.onnx"
    rng = np.random.default_rng(3)
    for _ in range(20):
        changed = np.frombuffer(data, np.uint8).copy()
        changed[rng.integers(0, 6000, rng.integers(1, 12))] = rng.integers(0, 256)
        path.write_bytes(changed.tobytes())
        try:
            build(path, tmp_path / "t.engine", RTX, force=True, verify=False)
        except TrtZooError as error:
            assert "\n" not in str(error)


def test_many_errors_are_counted() -> None:
    found = [ParserError(index, f"n{index}", "Op", "reason") for index in range(7)]
    message = str(explain_parse("m.onnx", "TensorRT 10.16", found, []))
    assert "node n4 (Op): reason" in message
    assert "n5" not in message
    assert "(and 2 more)" in message


def test_build_without_a_reason() -> None:
    assert "gave no reason" in str(explain_build("m.onnx", "TensorRT 10.16", []))


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome(status=-9), "memory ran out"),
        (Outcome(status=-11, node="/a [Loop]"), "at node /a .Loop.: its process was ended by SIGSEGV"),
        (Outcome(status=-6, noise="free(): invalid pointer"), r"SIGABRT \(it last said: free"),
        (Outcome(status=1, noise="No module named trtzoo"), "ended with 1"),
    ],
)
def test_death_is_explained(outcome: Outcome, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        raise explain_death("m.onnx", outcome)


@needs_rtx
def test_turing_is_told_what_it_can_have(tmp_path: Path) -> None:
    """Raw heads build for 7.5; NMS in the graph does not, and the error says so."""
    settings = replace(RTX, compute_capabilities=("7.5",))
    shapes = Path(__file__).resolve().parents[3] / "samples" / "shapes.cfg"
    small = ReadOptions(img_size=(96, 96))
    raw = convert(shapes, tmp_path / "raw.onnx", ConvertSettings(read=small)).path
    assert build(raw, tmp_path / "raw.engine", settings).target == "tensorrt-rtx"
    nms = convert(shapes, tmp_path / "nms.onnx", ConvertSettings(read=small, end2end=EndToEnd())).path
    with pytest.raises(UnsupportedError, match=r"leave --compute-capability 7\.5 out .*or convert raw heads") as caught:
        build(nms, tmp_path / "nms.engine", settings)
    assert "FP32 GEMM is not supported" in str(caught.value)
    assert not (tmp_path / "nms.engine").exists()
    assert not RTX.compute_capabilities
