"""Checkpoints made to do harm: to run code, to fill the memory, to never end, to read what is not theirs.

"Nothing runs" is measured in two ways: a payload that ran would leave a file behind, and `nothing_executed` watches the
interpreter. A control shows that the same payloads do run in Python's own unpickler.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import (
    NETWORK,
    STORAGES,
    call,
    integer,
    legacy_checkpoint,
    name,
    of,
    program,
    storage,
    stored_in_legacy,
    tensor,
    text,
    zip_checkpoint,
)
from nothing_executed import nothing_executed, outcome

from trtzoo.converters.checkpoint.reader import Record, Reference, read_checkpoint
from trtzoo.errors import InputError, TrtZooError, UnsupportedError

ZIP = zip_checkpoint(NETWORK, STORAGES)


class Leaves:
    """An object whose pickle calls `function(*args)` when it is read."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def working_payloads(trace: Path) -> dict[str, tuple[bytes, str]]:
    """Programs that make the file `trace` where they run, and the name that their refusal must say."""
    shell, code = f"touch {trace}", f"open({str(trace)!r}, 'w')"
    return {
        "os.system": (pickle.dumps(Leaves(os.system, shell), 2), f"{os.name}.system"),
        "os.system by a dotted name": (
            pickle.PROTO + b"\4" + text("os") + text("system") + pickle.STACK_GLOBAL + of(text(shell)) + b"R.",
            "os.system",
        ),
        "eval": (pickle.dumps(Leaves(eval, code), 2), "builtins.eval"),
        "exec, protocol 5": (pickle.dumps(Leaves(exec, code), 5), "builtins.exec"),
        "open": (program(call("io open", text(str(trace)), text("w"))), "io.open"),
        "subprocess": (pickle.dumps(Leaves(subprocess.call, ["touch", str(trace)]), 2), "subprocess.call"),
        "a method by a dotted name": (
            pickle.PROTO
            + b"\4"
            + text("pathlib")
            + text("Path.touch")
            + pickle.STACK_GLOBAL
            + of(call("pathlib Path", text(str(trace))))
            + b"R.",
            "pathlib.Path.touch",
        ),
        "partial": (
            program(call("functools partial", name("os system"), text(shell)), pickle.EMPTY_TUPLE, b"R"),
            "functools",
        ),
        "getattr": (program(call("builtins getattr", name("posix system"), text("__call__"))), "posix.system"),
        "map": (
            program(call("builtins list", call("builtins map", name("os system"), of(text(shell))))),
            "builtins.map",
        ),
        "pickle in a pickle": (
            program(call("_pickle loads", pickle.BINBYTES + b"%s")).replace(
                b"%s", struct.pack("<I", 200) + pickle.dumps(Leaves(eval, code.ljust(150)), 2).ljust(200, b".")
            ),
            "_pickle.loads",
        ),
        "INST": (b"(S'" + shell.encode() + b"'\nios\nsystem\n.", "STRING"),
        "INST, after other opcodes": (program(pickle.MARK, text(shell), pickle.INST + b"os\nsystem\n"), "os.system"),
        "OBJ": (program(pickle.MARK, name("os system"), text(shell), pickle.OBJ), "os.system"),
        "protocol 0": (b"cposix\nsystem\n(S'" + shell.encode() + b"'\ntR.", "posix.system"),
    }


HERE = text("some/file")
OTHER_PAYLOADS = {
    "import": (call("builtins __import__", text("antigravity")), "builtins.__import__"),
    "input": (call("__builtin__ input"), "builtins.input"),
    "a dotted name through a module": (
        text("models") + text("os.system") + pickle.STACK_GLOBAL + of(HERE) + b"R",
        "models.os",
    ),
    "attrgetter": (call("operator attrgetter", text("system")), "operator.attrgetter"),
    "methodcaller": (call("operator methodcaller", text("system")), "operator.methodcaller"),
    "getattr of a list": (call("builtins getattr", pickle.EMPTY_LIST, text("append")), "builtins.getattr"),
    "getattr to torch.hub": (call("builtins getattr", name("torch nn"), text("x")) + of(HERE) + b"R", "torch.nn.x"),
    "__subclasses__": (call("builtins getattr", name("builtins object"), text("__subclasses__")), "__subclasses__"),
    "a new eval": (name("builtins eval") + of(HERE) + pickle.NEWOBJ, "builtins.eval"),
    "torch.load": (call("torch load", HERE), "torch.load"),
    "torch.hub.load": (call("torch.hub load", HERE, HERE), "torch.hub.load"),
    "torch.jit": (call("torch.jit._script unpackage_script_module", HERE), "torch.jit._script"),
    "torch.utils": (call("torch.utils.cpp_extension load_inline", HERE), "torch.utils.cpp_extension.load_inline"),
    "torch.distributed": (call("torch.distributed.rpc rpc_sync", HERE), "torch.distributed.rpc.rpc_sync"),
    "a function of torch": (call("torch from_file", HERE), "torch.from_file"),
    "numpy.load": (call("numpy load", HERE), "numpy.load"),
    "numpy.f2py": (call("numpy.f2py.crackfortran myeval", HERE), "numpy.f2py"),
    "a function of a trainer": (call("ultralytics.utils.checks check_requirements", HERE), "check_requirements"),
    "the training script": (call("__main__ main"), "__main__.main"),
    "a function object": (call("types FunctionType", pickle.NONE, pickle.EMPTY_DICT), "types.FunctionType"),
    "a thread": (call("threading Thread", pickle.NONE), "threading.Thread"),
    "a subclass's rebuild function": (
        call("torch._tensor _rebuild_from_type_v2", name("models.x y"), pickle.NONE, of(HERE), pickle.NONE),
        "models.x.y",
    ),
    "a called record": (call("models.yolo Model") + of(HERE) + pickle.REDUCE, "something without a name"),
    "a called string": (text("os.system") + of(HERE) + pickle.REDUCE, "something without a name"),
    "a called method reference": (
        call("builtins getattr", name("models.yolo Model"), text("forward")) + of(HERE) + pickle.REDUCE,
        "models.yolo.Model.forward",
    ),
    "a storage of os.system": (
        of(text("storage"), name("os system"), text("0"), HERE, integer(1)) + pickle.BINPERSID,
        "os.system",
    ),
    "an extension": (pickle.EXT1 + b"\1", "EXT1"),
    "a buffer elsewhere": (pickle.NEXT_BUFFER, "NEXT_BUFFER"),
}


class TestNothingRuns:
    @pytest.mark.parametrize("wrap", [zip_checkpoint, lambda content: content], ids=["zip", "bare pickle"])
    @pytest.mark.parametrize("case", working_payloads(Path("x")))
    def test_a_payload_is_refused_by_name_and_leaves_no_trace(
        self, file: Path, tmp_path: Path, case: str, wrap: Callable[[bytes], bytes]
    ) -> None:
        trace = tmp_path / "trace"
        content, named = working_payloads(trace)[case]
        error = outcome(file, wrap(content))
        assert isinstance(error, UnsupportedError)
        assert named in str(error) or (wrap is not zip_checkpoint and content[:1] != pickle.PROTO)
        assert not trace.exists()

    @pytest.mark.parametrize("case", working_payloads(Path("x")))
    def test_the_same_payload_runs_where_files_are_trusted(self, tmp_path: Path, case: str) -> None:
        """The control: without it, the test above might watch payloads that never work."""
        trace = tmp_path / "trace"
        value = pickle.loads(working_payloads(trace)[case][0])
        if case == "getattr":
            value(f"touch {trace}")
        assert trace.exists()

    @pytest.mark.parametrize(("pushed", "named"), OTHER_PAYLOADS.values(), ids=OTHER_PAYLOADS)
    def test_other_calls_are_refused_by_name(self, file: Path, pushed: bytes, named: str) -> None:
        for content in (zip_checkpoint(program(pushed), STORAGES), legacy_checkpoint(pushed)):
            error = outcome(file, content)
            assert isinstance(error, UnsupportedError)
            assert named in str(error)

    def test_a_payload_in_any_pickle_of_a_legacy_file_is_refused(self, file: Path) -> None:
        payload = call("os system", text("true"))
        for content in (legacy_checkpoint(pickle.NONE, magic=payload), legacy_checkpoint(pickle.NONE, keys=payload)):
            assert "os.system" in str(outcome(file, content))

    def test_attributes_cannot_reach_into_python(self, file: Path) -> None:
        """`__class__`, `__setstate__` and the like in a state are entries of a dictionary, nothing more."""
        names = ("__class__", "__setstate__", "__reduce__", "class_path", "module_children")
        state = pickle.MARK + b"".join(text(key) + text("x") for key in names) + pickle.DICT
        pushed = name("models.yolo Model") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + state + pickle.BUILD
        assert outcome(file, zip_checkpoint(program(pushed))) is None
        record = read_checkpoint(file)
        assert (type(record), record.class_path) == (Record, "models.yolo.Model")
        assert record.module_children() == {}

    def test_an_uncalled_function_of_a_package_is_only_its_name(self, file: Path) -> None:
        assert outcome(file, zip_checkpoint(program(name("models.common autopad")))) is None
        assert read_checkpoint(file) == Reference("models.common.autopad")

    @pytest.mark.parametrize("act", [lambda: eval("1"), lambda: exec("pass"), lambda: Path(os.devnull).read_bytes()])
    def test_the_watch_sees_what_happens(self, file: Path, act: Callable[[], object]) -> None:
        with pytest.raises(AssertionError), nothing_executed(file):
            act()


FLOATS = storage("FloatStorage", "0", 6)
WRONG_TENSORS = {
    "beyond the storage": tensor(FLOATS, 0, (7,), (1,)),
    "an offset beyond the storage": tensor(FLOATS, 6, (1,), (1,)),
    "a stride beyond the storage": tensor(FLOATS, 0, (2, 2), (5, 1)),
    "a negative stride": tensor(FLOATS, 5, (6,), (-1,)),
    "a negative offset": tensor(FLOATS, -1, (3,), (1,)),
    "a negative size": tensor(FLOATS, 0, (-1,), (1,)),
    "a size of 2 to the 64": tensor(FLOATS, 0, (2**64,), (0,)),
    "an empty tensor of endless size": tensor(FLOATS, 0, (0, 2**40), (1, 1)),
    "one number 10 to the 12 times": tensor(FLOATS, 0, (10**6, 10**6), (0, 0)),
    "more sizes than strides": tensor(FLOATS, 0, (1, 1), (1,)),
    "a thousand dimensions": tensor(FLOATS, 0, (1,) * 1000, (1,) * 1000),
    "no storage": tensor(pickle.NONE, 0, (1,), (1,)),
    "a storage larger than its entry": storage("FloatStorage", "0", 7),
    "a storage of negative size": storage("FloatStorage", "0", -1),
    "a storage of endless size": storage("FloatStorage", "0", 2**62),
    "a storage that is not there": storage("FloatStorage", "9", 1),
    "a storage named by a path": storage("ByteStorage", "../data.pkl", 1),
    "a storage outside the archive": storage("ByteStorage", "/etc/hostname", 1),
    "a storage with a name of a million letters": storage("ByteStorage", "0" * 10**6, 1),
    "another persistent identifier": text("storage") + pickle.BINPERSID,
    "a tensor of objects": tensor(storage("ObjectStorage", "0", 1), 0, (1,), (1,)),
}

WRONG_ARRAYS = {
    "more shape than bytes": (of(integer(2)), b"abcd"),
    "a negative size": (of(integer(-1)), b"abcd"),
    "a shape of a thousand large numbers": (of(*[integer(2**500)] * 1000), b""),
    "nothing, of endless shape": (of(integer(0), integer(2**70)), b""),
}


class TestNothingIsReadThatIsNotTheirs:
    @pytest.mark.parametrize("pushed", WRONG_TENSORS.values(), ids=WRONG_TENSORS)
    def test_a_wrong_tensor_is_refused_when_the_file_is_read(self, file: Path, pushed: bytes) -> None:
        assert isinstance(outcome(file, zip_checkpoint(program(pushed), STORAGES)), TrtZooError)

    @pytest.mark.parametrize(("shape", "data"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
    def test_a_wrong_numpy_array_is_refused(self, file: Path, shape: bytes, data: bytes) -> None:
        array = call("numpy.core.multiarray _reconstruct", name("numpy ndarray"), of(integer(0)), text("b"))
        raw = pickle.SHORT_BINBYTES + bytes([len(data)]) + data
        state = of(integer(1), shape, call("numpy dtype", text("f4")), pickle.NEWFALSE, raw)
        assert isinstance(outcome(file, zip_checkpoint(program(array + state + pickle.BUILD))), InputError)

    def test_a_tensor_may_repeat_its_numbers_within_reason(self, file: Path) -> None:
        content = zip_checkpoint(program(tensor(FLOATS, 5, (100, 10), (0, 0))), STORAGES)
        assert outcome(file, content) is None
        np.testing.assert_array_equal(read_checkpoint(file).load(), np.full((100, 10), 5.0))

    LEGACY_KEYS = pickle.EMPTY_LIST + text("0") + pickle.APPEND
    WRONG_LEGACY_FILES = (
        ("another number of elements", struct.pack("<q", 5) + bytes(24), LEGACY_KEYS),
        ("a negative number of elements", struct.pack("<q", -1) + bytes(24), LEGACY_KEYS),
        ("numbers that are cut off", struct.pack("<q", 6) + bytes(23), LEGACY_KEYS),
        ("no storages", struct.pack("<q", 6) + bytes(24), pickle.EMPTY_LIST),
        ("a storage twice", (struct.pack("<q", 6) + bytes(24)) * 2, LEGACY_KEYS + text("0") + pickle.APPEND),
        ("keys nested a million deep", b"", pickle.EMPTY_LIST + b")" + pickle.TUPLE1 * 10**6 + pickle.APPEND),
        ("keys that are no list", b"", text("0")),
    )

    @pytest.mark.parametrize(
        ("case", "numbers", "keys"), WRONG_LEGACY_FILES, ids=[row[0] for row in WRONG_LEGACY_FILES]
    )
    def test_a_wrong_legacy_file_is_refused(self, file: Path, case: str, numbers: bytes, keys: bytes) -> None:
        body = tensor(stored_in_legacy("FloatStorage", "0", 6), 0, (6,), (1,))
        assert isinstance(outcome(file, legacy_checkpoint(body, numbers, keys=keys)), InputError)

    def test_a_legacy_file_whose_magic_number_is_an_array_is_refused(self, file: Path) -> None:
        array = call("numpy.core.multiarray _reconstruct", name("numpy ndarray"), of(integer(0)), text("b"))
        assert isinstance(outcome(file, legacy_checkpoint(pickle.NONE, magic=array)), UnsupportedError)

    def test_a_view_of_a_legacy_storage_reads_its_part_and_no_more(self, file: Path) -> None:
        def viewing(offset: int, count: int) -> bytes:
            view = of(text("1"), integer(offset), integer(count))
            stored = of(text("storage"), name("torch FloatStorage"), text("0"), text("cpu"), integer(6), view)
            body = tensor(stored + pickle.BINPERSID, 0, (2,), (1,))
            return legacy_checkpoint(body, struct.pack("<q6f", 6, *range(6)), keys=self.LEGACY_KEYS)

        assert outcome(file, viewing(3, 2)) is None
        np.testing.assert_array_equal(read_checkpoint(file).load(), [3, 4])
        assert isinstance(outcome(file, viewing(5, 2)), InputError)
        assert isinstance(outcome(file, viewing(3, 1)), InputError)


def with_field(content: bytes, signature: bytes, at: int, field: bytes, which: int = 0) -> bytes:
    """`content` with `field` written `at` bytes into the header of that signature (its occurrence `which`)."""
    header = -1
    for _ in range(which + 1):
        header = content.index(signature, header + 1)
    return content[: header + at] + field + content[header + at + len(field) :]


def in_64_bits(content: bytes) -> bytes:
    """The same zip with its table of contents as files of more than 4 GiB have it."""
    directory = content.index(b"PK\1\2")
    table, count = bytearray(), 0
    for entry in zipfile.ZipFile(io.BytesIO(content)).infolist():
        stored = entry.filename.encode()
        extra = struct.pack("<HHH", 99, 2, 0) + struct.pack("<HHQQQ", 1, 24, entry.file_size, entry.compress_size, 0)
        extra = extra[:-8] + struct.pack("<Q", entry.header_offset)
        sizes = (entry.CRC, 0xFFFFFFFF, 0xFFFFFFFF, len(stored), len(extra), 0, 0, 0, 0, 0xFFFFFFFF)
        table += struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, entry.compress_type, 0, 0, *sizes) + stored + extra
        count += 1
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(table), directory)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, directory + len(table), 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content[:directory] + bytes(table) + end + locator + last


def twice_named() -> bytes:
    buffer = io.BytesIO(ZIP)
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("made/data.pkl", NETWORK)
    return buffer.getvalue()


CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
WRONG_ZIPS = {
    "the same name twice": (twice_named(), "same file twice"),
    "an encrypted entry": (with_field(ZIP, CENTRAL, 8, b"\1\0"), "encrypted"),
    "another compression": (zip_checkpoint(NETWORK, STORAGES, compression=zipfile.ZIP_BZIP2), "method 12"),
    "an entry that overlaps the next": (
        with_field(ZIP, CENTRAL, 20, struct.pack("<LL", *[len(NETWORK) + 40] * 2)),
        "overlap",
    ),
    "an entry that reaches into the table": (with_field(ZIP, CENTRAL, 20, struct.pack("<LL", 90, 90), 2), "cut off"),
    "two sizes of one stored entry": (with_field(ZIP, CENTRAL, 24, struct.pack("<L", 1)), "two different sizes"),
    "an entry outside the file": (with_field(ZIP, CENTRAL, 42, struct.pack("<L", 2**31)), "outside the file"),
    "an entry at another's place": (with_field(ZIP, CENTRAL, 42, struct.pack("<L", 0), 1), "not where"),
    "another name in the table": (with_field(ZIP, CENTRAL, 46, b"fake"), "not where"),
    "a table outside the file": (with_field(ZIP, END, 16, struct.pack("<L", 2**31)), "does not fit"),
    "fewer entries than the table has": (with_field(ZIP, END, 8, struct.pack("<HH", 1, 1)), "longer than it says"),
    "more entries than the table has": (with_field(ZIP, END, 8, struct.pack("<HH", 9, 9)), "damaged|cut off"),
    "a zip of several disks": (with_field(ZIP, END, 4, b"\1\0"), "does not fit"),
    "no record of large files": (with_field(ZIP, END, 10, b"\xff\xff"), "large files is missing"),
    "a pickle of 70 MB": (zip_checkpoint(bytes(70 << 20)), "far more than any network"),
    "a bomb": (zip_checkpoint(NETWORK, {"0": bytes(100 << 20)}, compression=zipfile.ZIP_DEFLATED), "declares"),
    "a pickle that is longer than declared": (
        with_field(zip_checkpoint(NETWORK, compression=zipfile.ZIP_DEFLATED), CENTRAL, 24, struct.pack("<L", 20)),
        "declared size",
    ),
    "a pickle that is shorter than declared": (
        with_field(zip_checkpoint(NETWORK, compression=zipfile.ZIP_DEFLATED), CENTRAL, 24, struct.pack("<L", 2000)),
        "declared size",
    ),
}


class TestZips:
    @pytest.mark.parametrize(("content", "said"), WRONG_ZIPS.values(), ids=WRONG_ZIPS)
    def test_a_wrong_zip_is_refused_with_its_fault(self, file: Path, content: bytes, said: str) -> None:
        error = outcome(file, content)
        assert isinstance(error, TrtZooError)
        assert any(part in str(error) for part in said.split("|")), error

    def test_the_table_of_a_large_zip_reads_alike(self, file: Path) -> None:
        assert outcome(file, in_64_bits(ZIP)) is None
        np.testing.assert_array_equal(read_checkpoint(file)["model"].tensor("stride").load(), [0, 1, 2])

    def test_names_that_lead_out_of_a_folder_lead_nowhere(self, file: Path, tmp_path: Path) -> None:
        others = {"../../outside": b"x", "/etc/x": b"x", "made/data/..": b"x", "made/": b"", "made/\n\x1b[31m": b"x"}
        assert outcome(file, zip_checkpoint(NETWORK, STORAGES, others=others)) is None
        assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]

    def test_a_comment_after_the_table_is_skipped(self, file: Path) -> None:
        assert outcome(file, ZIP[:-2] + struct.pack("<H", 300) + b"c" * 300) is None
