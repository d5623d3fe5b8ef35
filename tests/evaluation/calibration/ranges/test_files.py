"""Ranges from files, TensorRT's calibration cache among them."""

import struct

import pytest

from trtzoo.errors import InputError
from trtzoo.evaluation.calibration.ranges.files import parse_tensorrt_cache, read_ranges, shared_ranges, tensorrt_cache
from trtzoo.graph_passes.precision.qdq.points import Points


def test_a_cache_that_tensorrt_wrote():
    """3c010204 is 1/127, the input of 0..1; names may hold colons and spaces."""
    text = "TRT-8401-MinMaxCalibration\nimages: 3c010204\n(Unnamed Layer* 3) [Shuffle]: a: 40000000\n"
    found = parse_tensorrt_cache(text, "x")
    assert found == {"images": pytest.approx(1, rel=1e-5), "(Unnamed Layer* 3) [Shuffle]: a": 254.0}


@pytest.mark.parametrize(("version", "first"), [((8, 6), "TRT-8600-"), ((10, 3), "TRT-100300-")])
def test_written_and_read_again(version, first):
    ranges = {"images": 1.0, "/a:out": 12.34}
    text = tensorrt_cache(ranges, version)
    assert text.splitlines()[0] == f"{first}EntropyCalibration2"
    assert text.splitlines()[2].rpartition(": ")[2] == struct.pack(">f", 12.34 / 127).hex()
    assert parse_tensorrt_cache(text, "x") == pytest.approx(ranges, rel=1e-6)


@pytest.mark.parametrize("line", ["images 3c010204", "images: 3c0102", "images: zz010204"])
def test_damaged_lines_are_named(line):
    with pytest.raises(InputError, match="x, line 3"):
        parse_tensorrt_cache(f"TRT-8401-EntropyCalibration2\na: 3c010204\n{line}\n", "x")


def test_what_is_no_range_file(tmp_path):
    path = tmp_path / "a"
    for content in (b"\x00\x01", b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="holds no ranges"):
            read_ranges(path)


POINTS = Points({"c": "x", "d": "cat"}, {}, (), (("x",), ("a", "b", "cat")), (("x",), ("a", "b")))


def test_tensors_that_share_a_scale_get_the_greatest_range():
    assert shared_ranges(POINTS, {"x": 1.0, "a": 3.0, "b": 5.0, "cat": 4.0}, "f") == {"x": 1.0, "cat": 5.0}
    assert shared_ranges(POINTS, {"x": 1.0, "a": 3.0}, "f") == {"x": 1.0, "cat": 3.0}
    with pytest.raises(InputError, match="f has no range for 1 of 2 tensors, the first is cat"):
        shared_ranges(POINTS, {"x": 1.0}, "f")
