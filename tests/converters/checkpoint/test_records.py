"""Networks in PyTorch's files as records of what they were made from; and what other files are told to be."""

from __future__ import annotations

import pickle
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import checkpoint_files as made
import numpy as np
import pytest
from shared import WEIGHTS, golden_cases, needs_weights

from trtzoo.converters.checkpoint.reader import Record, TensorData, load_model_record, read_checkpoint
from trtzoo.errors import InputError, ModelError, UnsupportedError

torch = pytest.importorskip("torch", reason="PyTorch writes the files that are read here")
torch_files = pytest.importorskip("torch_files", reason="PyTorch writes the files that are read here")
saved, in_numpy = torch_files.saved, torch_files.in_numpy

REAL_FILES = [case / "model.pt" for case in golden_cases("*") if (case / "model.pt").exists()]
REAL_FILES += sorted(WEIGHTS.glob("*.pt"))
FORMATS = {"zip": True, "legacy": False}


class Network(torch.nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.skipped = None
        self.blocks = torch.nn.Sequential(torch.nn.SiLU(), torch.nn.Linear(4, 2))
        self.register_buffer("anchors", torch.arange(6.0), persistent=False)
        self.register_module("absent", None)
        self.stride = torch.tensor([8.0, 16.0])
        self.names = {0: "cat"}


@pytest.fixture
def network() -> Any:
    torch.manual_seed(3)
    return Network()


class TestRecords:
    def test_a_module_tells_its_children_tensors_and_attributes(self, file: Path, network: Any) -> None:
        record = saved(file, network)
        assert (record.class_path, record.class_name) == (f"{__name__}.Network", "Network")
        assert list(record.module_children()) == ["first", "norm", "blocks"]
        assert record.child("blocks").child("1").class_path == "torch.nn.modules.linear.Linear"
        assert record.attribute("names") == {0: "cat"}
        np.testing.assert_array_equal(record.tensor("anchors").load(), np.arange(6.0))
        np.testing.assert_array_equal(record.child("first").tensor("weight").load(), in_numpy(network.first.weight))
        np.testing.assert_array_equal(record.tensor("stride").load(), [8, 16])

    def test_a_module_used_twice_is_one_record(self, file: Path) -> None:
        shared = torch.nn.SiLU()
        children = saved(file, torch.nn.Sequential(shared, shared)).module_children()
        assert children["0"] is children["1"]

    def test_what_is_absent_has_a_default_or_a_clear_error(self, file: Path, network: Any) -> None:
        record = saved(file, network)
        assert record.get("no_such") is None
        assert record.get("no_such", 5) == 5
        with pytest.raises(ModelError, match="Network in the checkpoint has no attribute 'no_such'"):
            record.attribute("no_such")
        with pytest.raises(
            ModelError, match=r"'first' of .*Network in the checkpoint is an object of .*Conv2d, not a te"
        ):
            record.tensor("first")
        with pytest.raises(ModelError, match=r"'names' of .* is of type dict, not a module"):
            record.child("names")

    def test_modules_of_old_pytorch_lack_tables_and_still_read(self) -> None:
        record = Record("models.Old", attributes={"_modules": {"act": Record("torch.nn.SiLU")}})
        assert list(record.module_children()) == ["act"]
        assert record.child("act").module_children() == {}
        assert record.child("act").get("inplace", False) is False

    def test_a_child_that_is_no_module_is_a_clear_error(self) -> None:
        with pytest.raises(ModelError, match=r"'x' of models\.Odd in the checkpoint is of type int, not a module"):
            Record("models.Odd", attributes={"_modules": {"x": 5}}).module_children()


STATE_DICTS = {
    "plain": lambda model: model.state_dict(),
    "under state_dict": lambda model: {"state_dict": model.state_dict(), "epoch": 2},
    "under model": lambda model: {"model": model.state_dict(), "ema": None},
}


class TestLoadModelRecord:
    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    def test_the_averaged_weights_are_preferred_where_the_trainers_would(self, file: Path, as_zip: bool) -> None:
        model, ema = torch.nn.Linear(2, 2), torch.nn.Conv2d(1, 1, 1)
        cases = [
            ({"model": model, "ema": ema, "epoch": 3}, "Conv2d"),
            ({"model": model, "ema": None}, "Linear"),
            ({"model": model}, "Linear"),
            ({"model": None, "ema": ema}, "Conv2d"),
            ({"model": model, "ema": (ema, 71)}, "Conv2d"),
            ({"model": model, "ema": ema.state_dict()}, "Linear"),
            (model, "Linear"),
        ]
        for value, expected in cases:
            saved(file, value, as_zip=as_zip)
            record, checkpoint = load_model_record(file)
            assert record.class_name == expected
            assert list(checkpoint) == (list(value) if isinstance(value, dict) else [])

    @pytest.mark.parametrize("wrap", STATE_DICTS.values(), ids=STATE_DICTS)
    def test_weights_without_an_architecture_say_what_is_missing(self, file: Path, network: Any, wrap: Any) -> None:
        saved(file, wrap(network))
        with pytest.raises(UnsupportedError) as caught:
            load_model_record(file)
        for said in (str(file), "weights only (9 tensors, the first is 'first.weight')", "architecture is missing"):
            assert said in str(caught.value)
        assert "--family torch --model package.module:factory" in str(caught.value)

    @pytest.mark.parametrize(
        ("value", "found"), [({"epoch": 3, "opt": None}, "'epoch', 'opt'"), ([1], "of type list"), ({}, "found: ")]
    )
    def test_a_file_without_any_network_says_what_it_found(self, file: Path, value: Any, found: str) -> None:
        saved(file, value)
        with pytest.raises(UnsupportedError, match=f"no network under 'ema' or 'model' .*{found}"):
            load_model_record(file)

    def test_modules_that_contain_themselves_are_refused(self, file: Path) -> None:
        loop = torch.nn.Sequential(torch.nn.ReLU())
        loop._modules["again"] = loop
        saved(file, loop)
        with pytest.raises(InputError, match="nested more than 64 deep"):
            load_model_record(file)

    def test_modules_nested_deeper_than_any_network_are_refused_however_they_are_reached(self, file: Path) -> None:
        """The second chain ends in the first, so that each alone is shallow enough."""
        chains = [torch.nn.ReLU()]
        for _ in range(3):
            for _ in range(30):
                chains[-1] = torch.nn.Sequential(chains[-1])
            chains.append(chains[-1])
        saved(file, torch.nn.Sequential(*chains))
        with pytest.raises(InputError, match="nested more than 64 deep"):
            load_model_record(file)

    def test_a_module_used_in_many_places_is_measured_once(self, file: Path) -> None:
        wide = torch.nn.Module()
        for at in range(2000):
            wide.register_module(str(at), None)
        saved(file, torch.nn.Sequential(*[wide] * 20_000))
        assert len(load_model_record(file)[0].module_children()) == 20_000

    def test_modules_whose_paths_double_at_each_level_are_refused(self, file: Path) -> None:
        module = torch.nn.ReLU()
        for _ in range(40):
            module = torch.nn.Sequential(module, module)
        saved(file, module)
        with pytest.raises(InputError, match="or are more than 50000"):
            load_model_record(file)


NOT_CHECKPOINTS = {
    "web page": (b"<!DOCTYPE html><html>", "web page"),
    "web page after white space": (b"\n\n <html>", "web page"),
    "git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "safetensors": (b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}' + b" " * 20, "safetensors"),
    "ONNX": (b"\x08\x08\x12\x07pytorch", "ONNX"),
    "TensorRT engine": (b"ftrt" + bytes(40), "TensorRT engine"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    "tar": (b"storages".ljust(257, b"\0") + b"ustar\0" + bytes(250), "tar format"),
    "DarkNet weights": (b"\0\0\0\0\2\0\0\0\0\0\0\0", "not a PyTorch file"),
    "another zip": (b"PK\5\6" + bytes(18), "no PyTorch pickles"),
    "plain pickle": (pickle.dumps({"a": 1}, protocol=4), "not one that torch.save wrote"),
    "TorchScript": (
        made.zip_checkpoint(b"\x80\2}.", others={"made/constants.pkl": b"", "made/code/x.py": b""}),
        "TorchScript .* export it to ONNX",
    ),
    "two checkpoints": (made.zip_checkpoint(b"\x80\2}.", others={"other/data.pkl": b""}), "2 PyTorch pickles"),
    "big-endian": (made.zip_checkpoint(b"\x80\2}.", others={"made/byteorder": b"big"}), "big-endian"),
    "a pickle of tensors": (
        made.zip_checkpoint(made.program(made.call("torch.storage _load_from_bytes", pickle.NONE))),
        "written by pickle",
    ),
}


class TestOtherFiles:
    @pytest.mark.parametrize(("content", "said"), NOT_CHECKPOINTS.values(), ids=NOT_CHECKPOINTS)
    def test_other_files_are_named(self, file: Path, content: bytes, said: str) -> None:
        file.write_bytes(content)
        with pytest.raises(UnsupportedError, match=said) as caught:
            read_checkpoint(file)
        assert str(file) in str(caught.value)

    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    def test_a_broken_download_is_named(self, file: Path, as_zip: bool, network: Any) -> None:
        saved(file, network, as_zip=as_zip)
        file.write_bytes(file.read_bytes()[:-200])
        with pytest.raises(InputError, match=r"cut off.*download"):
            read_checkpoint(file)

    def test_an_absent_file_is_named(self, file: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            read_checkpoint(file)


def stub_modules() -> types.ModuleType:
    """A pickle module for `torch.load` that makes an empty `nn.Module` of every class that is not installed here."""

    class StubUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module.partition(".")[0] in ("models", "ultralytics", "torchvision"):
                return type(name, (torch.nn.Module,), {"__module__": module, "forward": None})
            return super().find_class(module, name)

    stub = types.ModuleType("stub_pickle")
    stub.__dict__.update(vars(pickle), Unpickler=StubUnpickler)
    return stub


def tensors_of_torch(module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every parameter and buffer by its path, those that a state dict leaves out included."""
    for table in (module._parameters, module._buffers):
        yield from ((prefix + name, tensor) for name, tensor in table.items() if tensor is not None)
    for name, child in module._modules.items():
        if child is not None:
            yield from tensors_of_torch(child, f"{prefix}{name}.")


def tensors_of_record(record: Record, prefix: str = "") -> Iterator[tuple[str, TensorData]]:
    """As `tensors_of_torch`, of a record."""
    for table in ("_parameters", "_buffers"):
        tensors = record.attributes.get(table, {})
        yield from ((prefix + name, tensor) for name, tensor in tensors.items() if tensor is not None)
    for name, child in record.module_children().items():
        yield from tensors_of_record(child, f"{prefix}{name}.")


@pytest.mark.skipif(not REAL_FILES, reason="../shared/golden and ../shared/weights (real files) are not here")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.stem if path.stem != "model" else path.parent.name)
def test_every_tensor_of_a_real_file_is_what_torch_loads(path: Path) -> None:
    record, checkpoint = load_model_record(path)
    loaded = torch.load(path, map_location="cpu", pickle_module=stub_modules(), weights_only=False)
    expected = dict(tensors_of_torch(loaded.get("ema") or loaded["model"]))
    found = dict(tensors_of_record(record))
    assert list(checkpoint) == list(loaded)
    assert list(found) == list(expected)
    assert len(found) > 50
    for name, tensor in found.items():
        assert tensor.load().tobytes() == in_numpy(expected[name]).tobytes(), name


@needs_weights
def test_a_real_file_reads_in_hundredths_of_a_second() -> None:
    """About 20 ms on one core of a server; the bound only tells a change of order."""

    def seconds() -> float:
        start = perf_counter()
        load_model_record(WEIGHTS / "yolov8n.pt")
        return perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.25


def test_reading_imports_no_framework(file: Path, network: Any) -> None:
    saved(file, {"model": network})
    program = (
        "import sys; from pathlib import Path\n"
        "from trtzoo.converters.checkpoint.reader import load_model_record\n"
        f"load_model_record(Path({str(file)!r}))\n"
        "print(sorted({'torch', 'ultralytics', 'onnxruntime', 'cv2', 'tensorrt'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
