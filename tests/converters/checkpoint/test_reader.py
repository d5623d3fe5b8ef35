"""Reading PyTorch files without PyTorch, against PyTorch itself."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import io
import pathlib
import re
import types
import zipfile
from pathlib import Path
from typing import Any

import checkpoint_files as made
import numpy as np
import pytest

from trtzoo.converters.checkpoint.reader import Record, Reference, read_checkpoint
from trtzoo.errors import UnsupportedError

torch = pytest.importorskip("torch", reason="PyTorch writes the files that are read here")
torch_files = pytest.importorskip("torch_files", reason="PyTorch writes the files that are read here")
saved, in_numpy = torch_files.saved, torch_files.in_numpy

FORMATS = {"zip": True, "legacy": False}

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")


LAYOUTS = {
    "scalar": lambda base: base.sum(),
    "empty": lambda base: base[:0],
    "empty, with a large dimension": lambda base: torch.zeros(0, 640, 640),
    "transposed": lambda base: base.t(),
    "a slice with an offset": lambda base: base[2:5, 1:3],
    "every second column": lambda base: base[:, ::2],
    "expanded": lambda base: base[:1].expand(6, 8),
    "channels last": lambda base: base.reshape(1, 2, 3, 8).contiguous(memory_format=torch.channels_last),
    "one column, whose stride is odd": lambda base: base[:, 3:4],
}


UNREADABLE = {
    "float8": (lambda: torch.zeros(2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "sparse": (lambda: torch.eye(3).to_sparse(), "_rebuild_sparse_tensor"),
    "negative bit": (lambda: torch._neg_view(torch.ones(2)), "negative bit"),
    "conjugate bit": (lambda: torch.ones(2, dtype=torch.complex64).conj(), "conjugate"),
}


class TestTensors:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    def test_every_dtype_reads_bit_by_bit(self, file: Path, dtype: str, as_zip: bool) -> None:
        torch.manual_seed(7)
        tensor = (torch.randn(3, 4, 5) * 40).to(getattr(torch, dtype))
        read = saved(file, [tensor], as_zip=as_zip)[0]
        expected = in_numpy(tensor)
        assert (read.dtype, read.shape, read.nbytes) == (expected.dtype, expected.shape, expected.nbytes)
        assert read.load().tobytes() == expected.tobytes()

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool"])
    def test_every_layout_reads_as_contiguous_values(self, file: Path, layout: Any, as_zip: bool, dtype: str) -> None:
        tensor = layout(torch.arange(48.0).reshape(6, 8)).to(getattr(torch, dtype))
        array = saved(file, {"t": tensor}, as_zip=as_zip)["t"].load()
        assert array.flags.c_contiguous and array.shape == tuple(tensor.shape)
        np.testing.assert_array_equal(array, in_numpy(tensor))

    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    def test_tensors_that_share_a_storage_read_their_parts(self, file: Path, as_zip: bool) -> None:
        base = torch.randn(4, 4)
        whole, row, tied = saved(file, [base, base[2], base], as_zip=as_zip)
        assert whole.storage.key == row.storage.key
        assert tied is whole
        np.testing.assert_array_equal(whole.load()[2], row.load())

    def test_stored_numbers_are_views_of_the_file_that_cannot_be_written(self, file: Path) -> None:
        array = saved(file, [torch.randn(16)])[0].load()
        assert not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1

    @pytest.mark.parametrize("as_zip", FORMATS.values(), ids=FORMATS)
    def test_parameters_and_tensor_subclasses_read_as_their_tensors(self, file: Path, as_zip: bool) -> None:
        plain = torch.nn.Parameter(torch.randn(3).half())
        marked = torch.nn.Parameter(torch.randn(2))
        marked.note = "attributes make PyTorch write it in another way"
        for read, expected in zip(saved(file, [plain, marked], as_zip=as_zip), [plain, marked], strict=True):
            np.testing.assert_array_equal(read.load(), in_numpy(expected))

    def test_a_tensor_of_untyped_storage_reads_by_its_own_dtype(self, file: Path) -> None:
        tensor = torch.arange(5).to(torch.uint16)
        np.testing.assert_array_equal(saved(file, [tensor])[0].load(), np.arange(5, dtype=np.uint16))

    def test_a_compressed_zip_reads_alike(self, file: Path) -> None:
        tensor = torch.randn(100)
        torch.save([tensor, tensor[3:]], file)
        packed = io.BytesIO()
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.namelist():
                target.writestr(entry, source.read(entry))
        file.write_bytes(packed.getvalue())
        whole, part = read_checkpoint(file)
        np.testing.assert_array_equal(whole.load(), tensor.numpy())
        np.testing.assert_array_equal(part.load(), tensor[3:].numpy())

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(("make", "named"), UNREADABLE.values(), ids=UNREADABLE)
    def test_what_numpy_cannot_hold_is_refused_by_name(self, file: Path, make: Any, named: str) -> None:
        with pytest.raises(UnsupportedError, match=named):
            saved(file, [make()])


class Colour(enum.Enum):
    RED = "red"


class NamedDict(dict[str, int]):
    pass


class NamedList(list[int]):
    pass


class Slotted:
    __slots__ = ("left", "right")


class Secretive:
    def __getstate__(self) -> str:
        return "a state that is no dictionary"


class lower_case:  # noqa: N801 - classes of real trainers are named so (`v10Detect`)
    def __init__(self) -> None:
        self.kept = 5


def _here(value: Any) -> str:
    return f"{__name__}.{value}"


PLAIN = {
    "numbers": [0, 255, 256, 65536, -1, 2**40, -(2**40), 2**100, 0.5, float("inf"), True, False, None],
    "text": ["", "class, with 'quotes'", "é猫", "x" * 300],
    "bytes": [b"", b"\x00\xff" * 200, bytearray(b"abc")],
    "containers": {"a": [1, (2, 3), {}], 4: ((), (1,), (1, 2, 3, 4)), ("k", 1): {1, 2}, None: frozenset({"x"})},
    "builtins": [slice(1, None, 2), complex(1, -2), {b"k": 1.5, 2.5: 1}],
    "collections": [collections.OrderedDict(b=1, a=2), collections.defaultdict(list, {"x": [1]})],
    "counts": collections.Counter("hello"),
}


OBJECTS = {
    "path": (pathlib.PurePosixPath("a/b"), r"pathlib(\._local)?\.PurePosixPath", ("a", "b")),
    "namespace": (argparse.Namespace(lr=0.1), r"argparse\.Namespace", ()),
    "simple namespace": (types.SimpleNamespace(lr=0.1), r"types\.SimpleNamespace", ()),
    "date": (datetime.date(2024, 2, 29), r"datetime\.date", (b"\x07\xe8\x02\x1d",)),
    "enum": (Colour.RED, _here("Colour"), ("red",)),
    "device": (torch.device("cuda", 1), r"torch\.device", ("cuda", 1)),
    "slots": (Slotted(), _here("Slotted"), ()),
    "lower-case class": (lower_case(), _here("lower_case"), ()),
}


class TestValues:
    @pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_plain_values_come_back(self, file: Path, value: Any, protocol: int) -> None:
        assert saved(file, value, protocol=protocol) == value

    @pytest.mark.parametrize("protocol", [2, 3, 4])
    def test_numpy_values_come_back(self, file: Path, protocol: int) -> None:
        arrays = [np.arange(6.0).reshape(2, 3).T, np.array(3, np.int8), np.zeros((0, 4)), np.array([True])]
        scalar, dtype = np.float32(0.1), np.dtype("f8")
        tree = {"arrays": arrays, "again": arrays[0], "scalar": scalar, "dtype": dtype}
        read = saved(file, tree, protocol=protocol)
        for array, expected in zip(read["arrays"], arrays, strict=True):
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
        assert read["again"] is read["arrays"][0]
        assert (read["scalar"], read["dtype"]) == (scalar, dtype)

    @pytest.mark.parametrize(
        ("value", "named"),
        [
            (np.array(["text"], object), "object|type 'O8'"),
            (np.zeros(2, ">f4"), "big-endian"),
            (np.zeros(2, [("a", "f4")]), "type 'V4'"),
        ],
    )
    def test_numpy_values_that_are_not_numbers_are_refused(self, file: Path, value: Any, named: str) -> None:
        with pytest.raises(UnsupportedError, match=named):
            saved(file, value)

    def test_names_of_code_are_references(self, file: Path) -> None:
        value = [torch.float16, torch.nn.functional.silu, torch.nn.SiLU, np.ndarray, int, str, torch.strided]
        assert saved(file, value) == [
            Reference("torch.float16"),
            Reference("torch.nn.functional.silu"),
            Reference("torch.nn.modules.activation.SiLU"),
            Reference("numpy.ndarray"),
            Reference("builtins.int"),
            Reference("builtins.str"),
            Reference("torch.strided"),
        ]

    def test_a_method_kept_as_a_value_is_its_name(self, file: Path) -> None:
        """As in the heads of yolo11n-pose.pt and yolov8n-seg.pt: `self.detect = Detect.forward`."""
        method = made.call("builtins getattr", made.name("models.head Detect"), made.text("forward"))
        file.write_bytes(made.zip_checkpoint(made.program(method)))
        assert read_checkpoint(file) == Reference("models.head.Detect.forward")

    @pytest.mark.parametrize(("value", "path", "args"), OBJECTS.values(), ids=OBJECTS)
    def test_objects_are_records_of_what_they_were_made_from(
        self, file: Path, value: Any, path: str, args: tuple[Any, ...]
    ) -> None:
        record = saved(file, value)
        assert isinstance(record, Record)
        assert re.fullmatch(path, record.class_path)
        assert record.args == args or record.args == ("/".join(map(str, args)),)

    def test_states_are_attributes(self, file: Path) -> None:
        slotted = Slotted()
        slotted.left, slotted.right = 1, [2]
        read = saved(file, [slotted, lower_case(), Secretive(), argparse.Namespace(lr=0.1)])
        assert [record.attributes for record in read] == [
            {"left": 1, "right": [2]},
            {"kept": 5},
            {"__state__": "a state that is no dictionary"},
            {"lr": 0.1},
        ]

    def test_contents_of_derived_containers_are_kept(self, file: Path) -> None:
        named_dict, named_list = NamedDict(a=1), NamedList([1, 2])
        named_dict.note = "x"  # type: ignore[attr-defined]
        a_dict, a_list, a_deque = saved(file, [named_dict, named_list, collections.deque([3, 4], 9)])
        assert (a_dict.items, a_dict.attributes) == ({"a": 1}, {"note": "x"})
        assert a_list.elements == [1, 2]
        assert (a_deque.args, a_deque.elements) == (((), 9), [3, 4])

    def test_a_list_may_hold_itself(self, file: Path) -> None:
        value: list[Any] = [1]
        value.append(value)
        read = saved(file, value)
        assert read[1] is read

    def test_sizes_are_tuples(self, file: Path) -> None:
        assert saved(file, torch.Size([1, 2])) == (1, 2)
