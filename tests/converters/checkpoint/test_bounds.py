"""Checkpoints that ask for depth, time or memory without end: read in a process whose memory the system limits."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

from checkpoint_files import call, integer, name, of, program, text, zip_checkpoint


def nested(opener: bytes, closer: bytes, depth: int = 500_000, core: bytes = pickle.NONE) -> bytes:
    return program(opener * depth + core + closer * depth)


def repeated(start: bytes, step: bytes, times: int) -> bytes:
    return program(start + step * times)


_CLASS = name("models.x Y") + pickle.BINPUT + b"\1" + pickle.POP
_GET_0, _GET_1, _DROP = pickle.BINGET + b"\0", pickle.BINGET + b"\1", pickle.POP
_KEPT = pickle.BINPUT + b"\0" + _DROP
_LONG_LIST = pickle.EMPTY_LIST + pickle.MARK + b"K\1" * 50_000 + pickle.APPENDS + _KEPT
_LONG_TUPLE = pickle.MARK + b"K\1" * 50_000 + pickle.TUPLE + _KEPT
_LONG_TEXT = text("x" * 1_000_000) + _KEPT
_LARGE_STATE = pickle.MARK + b"".join(text(str(at)) + pickle.NONE for at in range(20_000)) + pickle.DICT + _KEPT
_DOUBLED = pickle.EMPTY_TUPLE + (pickle.DUP + pickle.TUPLE2) * 60

NESTED = {
    "tuples": repeated(pickle.EMPTY_TUPLE, pickle.TUPLE1, 1_000_000),
    "lists": nested(pickle.EMPTY_LIST, pickle.APPEND),
    "dictionaries": nested(pickle.EMPTY_DICT + b"K\0", pickle.SETITEM),
    "records by their arguments": program(_CLASS + _GET_1 * 300_000 + b")" + b"\x85R" * 300_000),
    "records by their states": program(_CLASS + (_GET_1 + b")R") * 300_000 + pickle.BUILD * 299_999),
    "marks": program(pickle.MARK * 1_000_000 + pickle.TUPLE * 1_000_000),
    "a tuple that doubles 60 times": program(_DOUBLED),
    "a list that holds itself": program(pickle.EMPTY_LIST + pickle.DUP + pickle.APPEND),
    "a memo of one, at the largest index": program(pickle.NONE + pickle.LONG_BINPUT + b"\xff" * 4),
}
"""Deep, but finite: these read, and are freed."""

ENDLESS = {
    "opcodes": repeated(b"", pickle.EMPTY_SET, 4_100_000),
    "marks": repeated(b"", pickle.MARK, 4_100_000),
    "sets of one list": repeated(_LONG_LIST, call("builtins set", _GET_0) + _DROP, 100_000),
    "attributes given again": repeated(_LARGE_STATE + name("models.x Y") + b")R", _GET_0 + pickle.BUILD, 200_000),
    "long arguments": repeated(_LONG_TUPLE + _CLASS, _GET_1 + _GET_0 + pickle.REDUCE + _DROP, 100_000),
    "long shapes": repeated(_LONG_LIST, call("torch Size", _GET_0) + _DROP, 1),
    "bytes of one text": repeated(_LONG_TEXT, call("_codecs encode", _GET_0, text("latin1")), 10_000),
    "names of one text": repeated(_LONG_TEXT, _GET_0 + _GET_0 + pickle.STACK_GLOBAL, 10_000),
    "members of one text": repeated(_LONG_TEXT, call("builtins getattr", name("models.x Y"), _GET_0), 10_000),
    "storages of one text": repeated(
        _LONG_TEXT, of(text("storage"), name("torch ByteStorage"), _GET_0, _GET_0, b"K\1") + pickle.BINPERSID, 10_000
    ),
    "tuples as keys": repeated(
        pickle.EMPTY_DICT, b"".join(b"K%cK%c\x86Ns" % (at % 256, at // 256) for at in range(60_000)), 1
    ),
    "a key that doubles 60 times": program(pickle.EMPTY_DICT + _DOUBLED + b"Ns"),
    "a key nested a million deep": program(pickle.EMPTY_DICT + b")" + pickle.TUPLE1 * 1_000_000 + b"Ns"),
    "an element nested a million deep": program(pickle.EMPTY_SET + b"(" + b")" + pickle.TUPLE1 * 1_000_000 + b"\x90"),
    "integers that collide as keys": program(
        pickle.EMPTY_DICT + b"".join(integer(at * (2**61 - 1)) + b"Ns" for at in range(1, 50_000))
    ),
    "an integer of 100 MB": program(pickle.LONG4 + struct.pack("<i", 10**8)),
    "an integer of negative length": program(pickle.LONG4 + struct.pack("<i", -1)),
    "a text of 4 GB": program(pickle.BINUNICODE + b"\xff" * 4),
    "bytes of 2 to the 63": program(pickle.BINBYTES8 + b"\xff" * 7 + b"\x7f"),
    "a byte array of 2 to the 60": program(pickle.BYTEARRAY8 + struct.pack("<Q", 2**60)),
    "a byte array by its size": program(call("builtins bytearray", integer(2**40))),
    "a name without an end": program(pickle.GLOBAL + b"x" * 5_000_000),
    "a record called on and on": program(_CLASS + _GET_1 + b")R" + (_GET_1 + pickle.DUP) * 10 + b"\x85R" * 100),
}
"""These are refused, whatever they ask for."""

READER = """
import resource, sys, time
from pathlib import Path
from trtzoo.converters.checkpoint.reader import read_checkpoint
from trtzoo.errors import TrtZooError
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for path in map(Path, sys.argv[1:]):
    start = time.perf_counter()
    try:
        read_checkpoint(path)
        result = "read"
    except TrtZooError as error:
        result = type(error).__name__
    print(path.stem, result, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sep="\\t")
"""


def in_another_process(tmp_path: Path, programs: dict[str, bytes]) -> dict[str, tuple[str, float, int]]:
    """What reading each pickle ends in, the seconds it takes and the peak memory so far (KiB), by case."""
    paths = [tmp_path / f"{case}.pt" for case in programs]
    for path, content in zip(paths, programs.values(), strict=True):
        path.write_bytes(zip_checkpoint(content))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", READER, *map(str, paths)], capture_output=True, text=True, env=environment
    )
    assert child.returncode == 0, child.stderr[-2000:]
    rows = [line.split("\t") for line in child.stdout.splitlines()]
    return {case: (result, float(seconds), int(peak)) for case, result, seconds, peak in rows}


class TestBounds:
    """In a process of their own, whose memory the system limits, and whose death the test would see."""

    def test_deep_values_read_and_are_freed(self, tmp_path: Path) -> None:
        results = in_another_process(tmp_path, NESTED)
        assert {case: result for case, (result, _, _) in results.items()} == dict.fromkeys(NESTED, "read")

    def test_endless_files_end_in_a_clear_error_soon_and_in_little_memory(self, tmp_path: Path) -> None:
        results = in_another_process(tmp_path, ENDLESS)
        assert list(results) == list(ENDLESS)
        for case, (result, seconds, peak) in results.items():
            assert result in ("InputError", "UnsupportedError"), case
            assert seconds < 20, case
            assert peak < 2 << 20, case
