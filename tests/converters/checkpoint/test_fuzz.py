"""Thousands of mutated checkpoints: only clear errors come out, and nothing is executed.

The mutations are seeded, so that every run reads the same files.
"""

from __future__ import annotations

import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_files import LEGACY, NETWORK, STORAGES, integer, name, program, storage, text, zip_checkpoint
from nothing_executed import outcome

from trtzoo.errors import TrtZooError

MUTATIONS = 1200

FILES = {
    "zip": zip_checkpoint(NETWORK, STORAGES, others={"made/byteorder": b"little", "made/version": b"3\n"}),
    "deflated": zip_checkpoint(NETWORK, STORAGES, compression=zipfile.ZIP_DEFLATED),
    "legacy": LEGACY,
}

OPCODES = (
    *("MARK", "STOP", "POP", "POP_MARK", "DUP", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ", "BINPERSID"),
    *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "DICT", "FROZENSET", "NONE", "NEWTRUE", "MEMOIZE", "STACK_GLOBAL"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE"),
    *("NEXT_BUFFER", "READONLY_BUFFER", "EXT1", "FRAME", "BINBYTES8", "LONG4", "BINUNICODE8", "BYTEARRAY8"),
)

NAMES = (
    *("os system", "builtins eval", "builtins getattr", "builtins set", "builtins slice", "builtins bytearray"),
    *("collections OrderedDict", "collections defaultdict", "collections Counter", "models.yolo Model"),
    *("torch FloatStorage", "torch Size", "torch float16", "torch._utils _rebuild_tensor"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter"),
    *("torch._tensor _rebuild_from_type_v2", "torch.serialization _get_layout", "numpy dtype", "numpy ndarray"),
    *("numpy.core.multiarray scalar", "numpy.core.multiarray _reconstruct", "_codecs encode", "copyreg _reconstructor"),
)

FRAGMENTS = [
    *(getattr(pickle, opcode) for opcode in OPCODES),
    *(name(path) for path in NAMES),
    *(pickle.BINGET + bytes([at]) for at in (0, 1, 200)),
    *(pickle.BINPUT + bytes([at]) for at in (0, 1, 255)),
    *(text(value) for value in ("", "storage", "0", "latin1", "f8", "__class__", "\ud800")),
    *(integer(value) for value in (0, 1, -1, 2**31, 2**63, 2**200)),
    storage("FloatStorage", "0", 6),
    storage("UntypedStorage", "1", 16),
]


def with_changed_bytes(chance: random.Random, content: bytes) -> bytes:
    """One to five bytes are others."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(changed)


def with_changed_header(chance: random.Random, content: bytes) -> bytes:
    """A field of one of the zip's headers is what breaks readers: 0, a little, its maximum, anything."""
    headers = [at for at in range(len(content) - 4) if content[at : at + 2] == b"PK"]
    at, width = chance.choice(headers) + 2 * chance.randrange(2, 24), chance.choice((2, 4))
    value = chance.choice((0, 1, 8, 9, 256**width - 1, chance.randrange(256**width)))
    return content[:at] + value.to_bytes(width, "little") + content[at + width :]


def with_changed_pickle(chance: random.Random, _: bytes) -> bytes:
    """Bytes of the pickle are others, in a zip that is right."""
    return zip_checkpoint(with_changed_bytes(chance, NETWORK), STORAGES)


def with_more_opcodes(chance: random.Random, _: bytes) -> bytes:
    """Opcodes stand somewhere in the pickle that were not there."""
    at = chance.randrange(2, len(NETWORK))
    more = b"".join(chance.choices(FRAGMENTS, k=chance.randrange(1, 6)))
    return zip_checkpoint(NETWORK[:at] + more + NETWORK[at:], STORAGES)


def with_random_opcodes(chance: random.Random, _: bytes) -> bytes:
    """The pickle is opcodes in any order."""
    return zip_checkpoint(program(*chance.choices(FRAGMENTS, k=chance.randrange(1, 30))), STORAGES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_the_file_reads_before_it_is_mutated(file: Path, content: bytes) -> None:
    assert outcome(file, content) is None


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_every_cut_is_refused(file: Path, content: bytes) -> None:
    for length in range(1, len(content)):
        assert outcome(file, content[:length]) is not None, length


@pytest.mark.parametrize(
    ("kind", "mutate", "least_refused"),
    [
        ("zip", with_changed_bytes, 0.5),
        ("deflated", with_changed_bytes, 0.5),
        ("legacy", with_changed_bytes, 0.5),
        ("zip", with_changed_header, 0.3),
        ("deflated", with_changed_header, 0.3),
        ("zip", with_changed_pickle, 0.5),
        ("zip", with_more_opcodes, 0.5),
        ("zip", with_random_opcodes, 0.5),
    ],
)
def test_mutations_end_in_a_value_or_a_clear_error(
    file: Path, kind: str, mutate: Callable[[random.Random, bytes], bytes], least_refused: float
) -> None:
    chance = random.Random(f"{kind} {mutate.__name__}")
    errors: list[TrtZooError | None] = [outcome(file, mutate(chance, FILES[kind])) for _ in range(MUTATIONS)]
    refused = sum(error is not None for error in errors) / MUTATIONS
    assert least_refused < refused <= 1
