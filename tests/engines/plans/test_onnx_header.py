"""Reading metadata without the graph gives what onnx gives, and broken files give one error."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import write_tiny

from trtzoo.engines.plans.onnx_header import read_properties
from trtzoo.errors import InputError


def test_same_as_onnx(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.onnx")
    assert read_properties(path) == {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_metadata_in_front_of_the_graph_and_foreign_fields(tmp_path: Path) -> None:
    model = onnx.load(write_tiny(tmp_path / "m.onnx"))
    graph = onnx.ModelProto(graph=model.graph).SerializeToString()
    model.ClearField("graph")
    model.training_info.add()
    onnx.helper.set_model_props(model, {"kéy": "välue", "empty": ""})
    path = tmp_path / "turned.onnx"
    path.write_bytes(model.SerializeToString() + graph)
    assert read_properties(path) == {"kéy": "välue", "empty": ""}


def test_broken_files_give_one_error(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "m.onnx").read_bytes()
    path, rng = tmp_path / "broken.onnx", np.random.default_rng(0)
    cases = [data[: len(data) // 2], data[:5], b"\0\1\2" * 99, b"text, not a protobuf", b"\xff" * 40, b"\x08"]
    cases += [bytes(rng.integers(0, 256, 200, np.uint8)) for _ in range(300)]
    for case in cases:
        path.write_bytes(case)
        try:
            read_properties(path)
        except InputError as error:
            assert "broken.onnx" in str(error)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_truncated_file_is_noticed(tmp_path: Path, cut: float) -> None:
    path = write_tiny(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(InputError, match="truncated"):
        read_properties(path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_properties(tmp_path / "m.onnx")
