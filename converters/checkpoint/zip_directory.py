"""A zip file's table of contents, read strictly: every offset and length is checked before it is used.

    [local header, contents]*  [central directory]  [zip64 end record, locator]?  [end record]

Fields and sizes as in PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16 and 4.5.3. Headers that
disagree with the table, entries that overlap, repeated names, encryption and every method but "stored" and "deflated"
are refused: PyTorch writes none of them. Checksums are not compared, as PyTorch does not: it can be told to write none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from mmap import mmap

from ...errors import InputError, UnsupportedError

_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_ZIP64_EXTRA = 1
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF

_MAX_ENTRIES = 200_000
_MAX_COMMENT = 0xFFFF
_MAX_INFLATED_BYTES = 4 << 30
_MAX_INFLATION = 200
_FREE_INFLATED_BYTES = 16 << 20
"""Small files may be compressed better than `_MAX_INFLATION` times: zeros are, and nobody's memory suffers."""


@dataclass(frozen=True)
class ZipEntry:
    """One file of the archive: its contents are the bytes `start : start + stored_size` of the zip file."""

    name: str
    method: int
    header: int
    start: int
    stored_size: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.stored_size


def read_directory(data: mmap) -> dict[str, ZipEntry]:
    """The entries of the zip file `data` by name, in the order of the directory; folders are left out.

    Raises:
        InputError: the table is damaged, cut off, or names a file twice.
        UnsupportedError: the archive is encrypted, or compressed otherwise than PyTorch and zip do.
    """
    try:
        directory, end, count = _find_directory(data)
        entries = list(_central_entries(data, directory, end, count))
    except struct.error as error:
        raise InputError("the zip's table of contents is cut off; download the file again") from error
    _refuse_overlaps(entries, directory)
    _refuse_bombs(entries)
    named = {entry.name: entry for entry in entries}
    if len(named) != len(entries):
        raise InputError("the zip names the same file twice; PyTorch writes no such file, save it again")
    return {name: entry for name, entry in named.items() if not name.endswith("/")}


def entry_bytes(data: mmap, entry: ZipEntry) -> memoryview:
    """The contents of an entry of `data`: mapped where stored plainly, else decompressed up to the declared size.

    Raises:
        InputError: the compressed data is damaged, or its size is not the declared one.
    """
    stored = memoryview(data)[entry.start : entry.end]
    if entry.method == _STORED:
        return stored
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        contents = inflater.decompress(stored, entry.size + 1)
    except zlib.error as error:
        raise InputError(f"{_shown(entry.name)} in the zip is damaged; download the file again") from error
    if len(contents) != entry.size or not inflater.eof:
        raise InputError(f"{_shown(entry.name)} in the zip is not of its declared size; download the file again")
    return memoryview(contents)


def _find_directory(data: mmap) -> tuple[int, int, int]:
    """The central directory's first byte, the byte after its last, and its number of entries."""
    at = data.rfind(b"PK\5\6", max(0, len(data) - _END.size - _MAX_COMMENT))
    if at < 0:
        raise InputError("the zip has no end record: the file is cut off; download it again")
    _, disk, _, _, count, size, start, _ = _END.unpack_from(data, at)
    if count == _MAX_16 or size == _MAX_32 or start == _MAX_32:
        at, disk, count, size, start = _read_end_64(data, at)
    if disk != 0 or start + size > at or count > _MAX_ENTRIES:
        raise InputError("the zip's end record does not fit the file; download it again")
    return start, start + size, count


def _read_end_64(data: mmap, end: int) -> tuple[int, int, int, int, int]:
    """The end record for large files: where it lies, and its disk, count, size and start."""
    signature, _, at, _ = _END_64_LOCATOR.unpack_from(data, max(0, end - _END_64_LOCATOR.size))
    if signature != b"PK\6\7" or at > end - _END_64_LOCATOR.size - _END_64.size:
        raise InputError("the zip's record for large files is missing; download the file again")
    signature, _, _, _, disk, _, _, count, size, start = _END_64.unpack_from(data, at)
    if signature != b"PK\6\6":
        raise InputError("the zip's record for large files is damaged; download the file again")
    return at, disk, count, size, start


def _central_entries(data: mmap, directory: int, end: int, count: int) -> Iterator[ZipEntry]:
    at = directory
    for _ in range(count):
        fields = _CENTRAL.unpack_from(data, at)
        name_end = at + _CENTRAL.size + fields[10]
        next_at = name_end + fields[11] + fields[12]
        if fields[0] != b"PK\1\2" or next_at > end:
            raise InputError("the zip's table of contents is damaged; download the file again")
        raw_name = data[at + _CENTRAL.size : name_end]
        name = raw_name.decode("utf-8", "replace")
        sizes = (fields[9], fields[8], fields[16])
        size, stored_size, header = _with_zip64(sizes, data[name_end : name_end + fields[11]])
        _check_method(name, fields[3], fields[4], stored_size, size)
        start = _contents_start(data, header, raw_name, directory)
        yield ZipEntry(name, fields[4], header, start, stored_size, size)
        at = next_at
    if at != end:
        raise InputError("the zip's table of contents is longer than it says; download the file again")


def _with_zip64(sizes: tuple[int, int, int], extra: bytes) -> Iterator[int]:
    """Replace each of the three 32-bit fields that is at its maximum by the next 64-bit one of the extra data."""
    at = 0
    while at + 4 <= len(extra) and int.from_bytes(extra[at : at + 2], "little") != _ZIP64_EXTRA:
        at += 4 + int.from_bytes(extra[at + 2 : at + 4], "little")
    at += 4
    for size in sizes:
        if size != _MAX_32:
            yield size
            continue
        yield struct.unpack_from("<Q", extra, at)[0]
        at += 8


def _check_method(name: str, flags: int, method: int, stored_size: int, size: int) -> None:
    if flags & _ENCRYPTED:
        raise UnsupportedError(f"{_shown(name)} in the zip is encrypted; decrypt the archive and zip it again")
    if method not in (_STORED, _DEFLATED):
        raise UnsupportedError(f"{_shown(name)} in the zip is compressed by method {method}; zip it again (zip -0)")
    if method == _STORED and stored_size != size:
        raise InputError(f"{_shown(name)} in the zip has two different sizes; download the file again")


def _contents_start(data: mmap, header: int, raw_name: bytes, directory: int) -> int:
    """Where an entry's contents begin: behind its local header, which must be of the same file."""
    if header + _LOCAL.size > directory:
        raise InputError(f"{_shown(raw_name)} in the zip lies outside the file; download it again")
    fields = _LOCAL.unpack_from(data, header)
    name_end = header + _LOCAL.size + int(fields[9])
    if fields[0] != b"PK\3\4" or data[header + _LOCAL.size : name_end] != raw_name:
        raise InputError(
            f"{_shown(raw_name)} in the zip is not where its table of contents says; download the file again"
        )
    return name_end + int(fields[10])


def _shown(name: str | bytes) -> str:
    """A name out of the file, for a message: of bounded length, in plain characters."""
    return ascii(name[:80] if isinstance(name, str) else name[:80].decode("utf-8", "replace"))


def _refuse_overlaps(entries: list[ZipEntry], directory: int) -> None:
    """Entries that share bytes are how small files become endless ones; no writer makes them."""
    ordered = sorted(entries, key=lambda entry: entry.header)
    for entry, following in pairwise(ordered):
        if entry.end > following.header:
            raise InputError(f"{_shown(entry.name)} and {_shown(following.name)} in the zip overlap; save it again")
    if ordered and ordered[-1].end > directory:
        raise InputError(f"{_shown(ordered[-1].name)} in the zip is cut off; download the file again")


def _refuse_bombs(entries: list[ZipEntry]) -> None:
    deflated = [entry for entry in entries if entry.method == _DEFLATED]
    size, stored = sum(entry.size for entry in deflated), sum(entry.stored_size for entry in deflated)
    if size > _MAX_INFLATED_BYTES or size > max(_FREE_INFLATED_BYTES, _MAX_INFLATION * stored):
        raise InputError(
            f"the zip declares {size} bytes in {stored} compressed ones, more than any weights; "
            "if you trust it, unpack it and zip it again without compression (zip -0)"
        )
