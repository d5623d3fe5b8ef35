"""Where pictures lie in the network's input, and their pixels, against the rules of the original frameworks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from trtzoo.contract.meta import ModelMeta, Preprocess
from trtzoo.engines.pictures.preprocess import Placement, prepare
from trtzoo.errors import UnsupportedError

PAD = 114

SIZES = {
    "the input's own": (64, 96),
    "one pixel": (1, 1),
    "two pixels": (2, 1),
    "a thin row": (3, 1000),
    "a thin column": (1000, 3),
    "wider than the input": (48, 100),
    "higher than the input": (100, 48),
    "the same aspect, larger": (128, 192),
    "the same aspect, smaller": (32, 48),
    "odd": (333, 501),
    "odd upright": (501, 333),
    "padding of one pixel": (63, 96),
    "padding of three pixels": (64, 93),
    "halves to round": (97, 128),
    "a photo": (480, 640),
}

INPUTS = {"rectangle": (64, 96), "square": (96, 96), "odd": (75, 101)}


def meta_of(size: tuple[int, int], resize: str = "letterbox", family: str = "ultralytics", **more) -> ModelMeta:
    settings = Preprocess(
        resize=resize, **{key: more.pop(key) for key in ("pad", "colour", "anchor", "scale") if key in more}
    )
    return ModelMeta(family, more.pop("task", "detect"), ("a",), (32,), size, preprocess=settings, **more)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ultralytics_letterbox(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What Ultralytics and YOLOv5 hand to a network of fixed size, RGB [H, W, 3], 0..255."""
    (height, width), (rows, columns) = picture.shape[:2], size
    ratio = min(rows / height, columns / width)
    unpadded = max(1, round(width * ratio)), max(1, round(height * ratio))
    across, down = (columns - unpadded[0]) / 2, (rows - unpadded[1]) / 2
    if (width, height) != unpadded:
        picture = cv2.resize(picture, unpadded, interpolation=cv2.INTER_LINEAR)
    top, bottom, left, right = round(down - 0.1), round(down + 0.1), round(across - 0.1), round(across + 0.1)
    bordered = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(PAD,) * 3)
    return bordered[..., ::-1]


@pytest.mark.parametrize("size", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_letterbox_equals_ultralytics_to_the_bit(shape, size):
    picture = noise(*shape)
    image, _ = prepare(picture, meta_of(size))
    expected = ultralytics_letterbox(picture, size)
    assert image.dtype == np.float32 and image.shape == (3, *size)
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected.astype(np.float32) / np.float32(255))


def darknet_letterbox(width: int, height: int, columns: int, rows: int) -> tuple[int, int, int, int]:
    """Width, height, left and top of the picture in the input, in C's integers (AlexeyAB/darknet, letterbox_image)."""
    if np.float32(columns) / np.float32(width) < np.float32(rows) / np.float32(height):
        new_width, new_height = columns, height * columns // width
    else:
        new_height, new_width = rows, width * rows // height
    return new_width, new_height, (columns - new_width) // 2, (rows - new_height) // 2


@pytest.mark.parametrize("size", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("shape", [shape for shape in SIZES.values() if max(shape) < 1000], ids=str)
def test_letterbox_of_darknet_rounds_down(shape, size):
    image, placement = prepare(np.full((*shape, 3), 255, np.uint8), meta_of(size, family="darknet", pad=0.5))
    width, height, left, top = darknet_letterbox(shape[1], shape[0], size[1], size[0])
    expected = np.full((3, *size), 0.5, np.float32)
    expected[:, top : top + height, left : left + width] = 1
    np.testing.assert_array_equal(image, expected)
    assert placement == Placement(shape, (width / shape[1], height / shape[0]), (left, top))


def test_letterbox_of_darknet_takes_every_ratio_as_whole_numbers():
    """Among all ratios are those whose quotient is a whole number that floating point would miss."""
    for width in range(1, 400):
        _, placement = prepare(np.zeros((7, width, 3), np.uint8), meta_of((64, 96), family="darknet"))
        new_width, new_height, left, top = darknet_letterbox(width, 7, 96, 64)
        assert placement.scale == (max(1, new_width) / width, max(1, new_height) / 7), width
        if min(new_width, new_height) > 0:
            assert placement.offset == (left, top), width


def yolox_preproc(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What YOLOX (`yolox/data/data_augment.py`, preproc) hands to a network, BGR [3, H, W], 0..255."""
    ratio = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height, width = int(picture.shape[0] * ratio), int(picture.shape[1] * ratio)
    padded = np.full((*size, 3), PAD, np.uint8)
    padded[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return padded.transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("size", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("name", [name for name in SIZES if not name.startswith("a thin")])
def test_letterbox_of_yolox_lies_in_the_corner_and_counts_to_255(name, size):
    picture = noise(*SIZES[name])
    image, placement = prepare(picture, meta_of(size, anchor="topleft", colour="bgr", scale=255.0))
    np.testing.assert_allclose(image, yolox_preproc(picture, size), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(placement.to_picture(np.zeros(2, np.float32)), 0)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1000), (333, 501)], ids=str)
def test_stretch_fills_the_input(shape):
    picture = noise(*shape)
    image, placement = prepare(picture, meta_of((64, 96), "stretch"))
    expected = cv2.resize(picture, (96, 64), interpolation=cv2.INTER_LINEAR)[..., ::-1]
    np.testing.assert_array_equal(image.transpose(1, 2, 0), expected.astype(np.float32) / np.float32(255))
    assert placement == Placement(shape, (96 / shape[1], 64 / shape[0]), (0, 0))


MODES = {
    "letterbox": ("letterbox", "ultralytics"),
    "DarkNet's letterbox": ("letterbox", "darknet"),
    "stretch": ("stretch", "darknet"),
    "crop": ("crop", "ultralytics"),
}
LANDMARKS = {
    "landscape": ((480, 640), (200, 180, 330, 290)),
    "portrait": ((700, 500), (190, 300, 300, 400)),
    "smaller than the input": ((90, 120), (40, 30, 75, 60)),
    "odd": ((333, 501), (201, 120, 290, 203)),
}


@pytest.mark.parametrize(("resize", "family"), MODES.values(), ids=MODES)
@pytest.mark.parametrize(("shape", "box"), LANDMARKS.values(), ids=LANDMARKS)
def test_what_lies_somewhere_in_the_input_is_mapped_back_to_where_it_was(shape, box, resize, family):
    picture = np.zeros((*shape, 3), np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = 255
    image, placement = prepare(picture, meta_of((160, 224), resize, family, pad=0.0))
    grid = placement.to_picture(np.float32(weighed_corners(image[0])).reshape(2, 2)).reshape(-1)
    error = np.abs(grid - box) * np.float32(placement.scale * 2)
    assert error.max() < 0.5, f"{error} network pixels; sampling alone moves an edge by less than half a pixel"


def weighed_corners(image: np.ndarray) -> list[float]:
    """Corners of a bright rectangle on black, its smooth edges counted by their brightness."""
    across, down = image.max(axis=0), image.max(axis=1)
    (left, width), (top, height) = (edge_and_length(profile) for profile in (across, down))
    return [left, top, left + width, top + height]


def edge_and_length(profile: np.ndarray) -> tuple[float, float]:
    middle = float((profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum())
    return middle - profile.sum() / 2, float(profile.sum())


@pytest.mark.parametrize(("resize", "family"), MODES.values(), ids=MODES)
@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_the_pictures_corners_come_back_within_a_pixel(shape, resize, family):
    _, placement = prepare(noise(*shape), meta_of((64, 96), resize, family))
    corners = np.float32([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]]])
    network = corners * np.float32(placement.scale) + np.float32(placement.offset)
    back = placement.to_picture(network)
    assert back.dtype == np.float32
    assert np.abs(back - corners).max() < 0.01
    if resize != "crop":
        assert network.min() >= 0 and (network <= [96, 64]).all()


def test_clipping_keeps_boxes_in_the_picture():
    boxes = np.float32([[-5, -6, 700, 500], [10, 20, 30, 40]])
    clipped = Placement((480, 640), (1, 1), (0, 0)).clip(boxes)
    np.testing.assert_array_equal(clipped, [[0, 0, 640, 480], [10, 20, 30, 40]])


def pillow_crop(picture: np.ndarray, side: int) -> np.ndarray:
    """torchvision's Resize(side) and CenterCrop(side) on a Pillow image: RGB [side, side, 3]."""
    height, width = picture.shape[:2]
    short, long = min(height, width), max(height, width)
    longer = int(side * long / short)
    new_width, new_height = (side, longer) if width <= height else (longer, side)
    resized = Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).resize((new_width, new_height), Image.BILINEAR)
    top, left = round((new_height - side) / 2), round((new_width - side) / 2)
    return np.asarray(resized)[top : top + side, left : left + side]


@pytest.mark.parametrize("side", [64, 75], ids=str)
@pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
def test_a_classifiers_input_equals_pillows_resize_and_centre_crop(shape, side):
    picture = noise(*shape)
    image, _ = prepare(picture, meta_of((side, side), "crop", task="classify"))
    ours = np.rint(image.transpose(1, 2, 0) * 255)
    # Pillow rounds to whole numbers between its two passes.
    assert np.abs(ours - pillow_crop(picture, side)).max() <= 2


def test_a_classifier_takes_extreme_pictures_without_enlarging_all_of_them():
    image, _ = prepare(noise(1, 30_000), meta_of((224, 224), "crop", task="classify"))
    assert image.shape == (3, 224, 224)


def test_a_classifier_of_a_rectangular_input_is_stretched_as_pillow_resizes():
    picture = noise(300, 400)
    image, _ = prepare(picture, meta_of((64, 96), "stretch", task="classify"))
    expected = np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).resize((96, 64), Image.BILINEAR))
    assert np.abs(np.rint(image.transpose(1, 2, 0) * 255) - expected).max() <= 2


COLOURS = {"rgb": [30 / 255, 20 / 255, 10 / 255], "bgr": [10 / 255, 20 / 255, 30 / 255]}


@pytest.mark.parametrize("colour", COLOURS)
def test_channels_come_in_the_models_order(colour):
    picture = np.full((64, 96, 3), (10, 20, 30), np.uint8)
    image, _ = prepare(picture, meta_of((64, 96), colour=colour))
    np.testing.assert_allclose(image[:, 0, 0], COLOURS[colour], atol=1e-7)


def test_gray_is_the_luminance():
    picture = np.full((50, 50, 3), (10, 20, 30), np.uint8)
    image, _ = prepare(picture, meta_of((64, 96), colour="gray", channels=1))
    assert image.shape == (1, 64, 96)
    assert abs(image[0, 32, 48] * 255 - (0.114 * 10 + 0.587 * 20 + 0.299 * 30)) <= 0.5
    assert image[0, 32, 0] == np.float32(114 / 255)


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_one_channel_is_gray_whatever_the_metadata_calls_it(colour):
    image, _ = prepare(noise(30, 40), meta_of((64, 96), colour=colour, channels=1))
    assert image.shape == (1, 64, 96)


def test_channels_that_no_picture_has_are_refused():
    with pytest.raises(UnsupportedError, match="takes 4 channels, but pictures have three"):
        prepare(noise(30, 40), meta_of((64, 96), channels=4))


@pytest.mark.parametrize("layout", ["chw", "hwc"])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_the_image_has_the_type_and_layout_of_the_input(dtype, layout):
    picture = noise(64, 96)
    image, _ = prepare(picture, meta_of((64, 96), colour="bgr", input_dtype=dtype, input_axes=layout))
    values = image if layout == "hwc" else image.transpose(1, 2, 0)
    assert image.dtype == dtype
    assert image.flags.c_contiguous
    if dtype == "uint8":
        np.testing.assert_array_equal(values, picture)
    else:
        assert np.abs(values.astype(float) - picture / 255).max() < 3e-4


def test_uint8_padding_is_the_original_number():
    image, _ = prepare(noise(10, 96), meta_of((64, 96), input_dtype="uint8"))
    assert (image[:, 0] == PAD).all()
