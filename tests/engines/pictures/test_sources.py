"""What is found behind a path, folder or pattern, and what is read from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from videos import write_video

from trtzoo.engines.pictures.sources import Source, find_sources, read_picture, read_pictures
from trtzoo.errors import InputError

GRADIENT = np.dstack([np.tile(np.arange(0, 240, 5, dtype=np.uint8), (32, 1))] * 3)


@pytest.fixture
def folder(tmp_path):
    """Pictures, a video, other files, and a folder that looks like a picture."""
    for name in ("b.jpg", "a.PNG", "c.bmp", "d.webp", "e.tif", "f.JPEG"):
        cv2.imwrite(str(tmp_path / name), GRADIENT)
    write_video(tmp_path / "g.mp4", [GRADIENT] * 3)
    for name in ("notes.txt", "labels.json", ".hidden", "noextension"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "album.jpg").mkdir()
    (tmp_path / "deeper").mkdir()
    cv2.imwrite(str(tmp_path / "deeper" / "b.jpg"), GRADIENT)
    return tmp_path


ALL = ["a.PNG", "b.jpg", "c.bmp", "d.webp", "e.tif", "f.JPEG", "g.mp4"]

PATTERNS = {
    "a folder": ("", ALL),
    "a file": ("b.jpg", ["b.jpg"]),
    "a pattern": ("*.jpg", ["b.jpg"]),
    "a pattern of one letter": ("[ac].*", ["a.PNG", "c.bmp"]),
    "a pattern that matches other files too": ("*", ALL),
    "a pattern through folders": ("**/*.jpg", ["b.jpg", "deeper/b.jpg"]),
    "a pattern of folders": ("dee*/*", ["deeper/b.jpg"]),
}


@pytest.mark.parametrize(("text", "names"), PATTERNS.values(), ids=PATTERNS)
def test_files_are_found_in_the_order_of_their_names(text, names, folder):
    found = find_sources(str(folder / text))
    assert [str(source.path.relative_to(folder)) for source in found] == names
    assert [source.video for source in found] == [name.endswith("mp4") for name in names]


def test_a_video_says_its_frames_and_rate(folder):
    (source,) = find_sources(str(folder / "g.mp4"))
    assert source == Source(folder / "g.mp4", video=True, frames=3, rate=12.5)
    pictures = list(read_pictures(source))
    assert len(pictures) == 3
    assert np.abs(pictures[0].astype(int) - GRADIENT).max() < 30


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path):
    cv2.imwrite(str(tmp_path / "a[1].png"), GRADIENT)
    assert len(find_sources(str(tmp_path / "a[1].png"))) == 1


def test_names_that_are_not_ascii(tmp_path):
    path = tmp_path / "straße 日本.png"
    path.write_bytes(cv2.imencode(".png", GRADIENT)[1].tobytes())
    np.testing.assert_array_equal(read_picture(find_sources(str(tmp_path))[0].path), GRADIENT)


NOTHING = {
    "an empty folder": ("empty", "no picture or video in the folder"),
    "a folder of other files": ("texts", "no picture or video in the folder"),
    "a missing file": ("none.jpg", "no such file, and no file matches it as a pattern"),
    "a pattern without match": ("*.gif", "no such file, and no file matches it as a pattern"),
}


@pytest.mark.parametrize(("text", "message"), NOTHING.values(), ids=NOTHING)
def test_nothing_to_run_on_is_an_error(text, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    with pytest.raises(InputError, match=message):
        find_sources(str(tmp_path / text))


FORMS = {
    "gray": np.uint8(GRADIENT[..., 0]),
    "with an alpha channel": np.dstack([GRADIENT, GRADIENT[..., :1]]),
    "16 bits": GRADIENT.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("picture", FORMS.values(), ids=FORMS)
def test_every_picture_becomes_three_channels_of_bytes(picture, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), GRADIENT)


def test_pictures_are_turned_upright_as_their_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GRADIENT).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = read_picture(tmp_path / "a.jpg")
    assert turned.shape == (48, 32, 3)
    assert np.abs(turned.astype(int) - np.rot90(GRADIENT, -1)).max() < 12


BROKEN = {
    "text": b"not a picture",
    "half a PNG's header": b"\x89PNG\r\n\x1a\n\0\0",
    "a JPEG that ends after its header": cv2.imencode(".jpg", GRADIENT)[1].tobytes()[:30],
    "nine tenths of a JPEG": cv2.imencode(".jpg", GRADIENT)[1].tobytes()[:-70],
    "nine tenths of a PNG": cv2.imencode(".png", GRADIENT)[1].tobytes()[:-20],
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_picture_is_named(data, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.jpg is not a picture that can be read; give a whole JPEG"):
        read_picture(tmp_path / "bad.jpg")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "zero.jpg").touch()
    with pytest.raises(InputError, match=r"zero\.jpg is empty .*fetch it again"):
        read_picture(tmp_path / "zero.jpg")


def test_a_picture_that_claims_to_be_huge_is_named(tmp_path):
    """A PNG header that promises 60000 x 60000 pixels, above OpenCV's limit of 2^30."""
    data = bytearray(cv2.imencode(".png", GRADIENT)[1].tobytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    (tmp_path / "huge.png").write_bytes(data)
    with pytest.raises(InputError, match=r"huge\.png "):
        read_picture(tmp_path / "huge.png")


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*gone\.jpg: No such file"):
        read_picture(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        read_picture(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a video", b"\0\0\0\x18ftypmp42"], ids=["empty", "text", "a header alone"])
def test_what_is_no_video_is_named(data, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.mp4 is (not a video|a video without a frame) that can be read"):
        list(read_pictures(find_sources(str(tmp_path))[0]))


def test_a_video_that_vanished_is_named(tmp_path):
    source = find_sources(str(write_video(tmp_path / "a.mp4", [GRADIENT])))[0]
    source.path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*a\.mp4: No such file"):
        list(read_pictures(source))
