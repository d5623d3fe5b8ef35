"""Which shapes an engine is built for."""

import pytest

from trtzoo.engines.build.profiles import NetworkInput, batch_note, plan_profile, read_range
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.errors import InputError

IMAGES = NetworkInput("images", (-1, 3, 640, 480))


def test_free_batch_takes_the_batch_sizes() -> None:
    ranges = plan_profile([IMAGES], BuildSettings(min_batch=2, opt_batch=4, max_batch=16), "m.onnx")
    assert ranges == {"images": ((2, 3, 640, 480), (4, 3, 640, 480), (16, 3, 640, 480))}


def test_fixed_input_needs_no_profile() -> None:
    assert plan_profile([NetworkInput("images", (4, 3, 640, 480))], BuildSettings(), "m.onnx") == {}


def test_given_shapes_win() -> None:
    shapes = ((1, 3, 320, 320), (2, 3, 640, 640), (4, 3, 960, 960))
    tensor = NetworkInput("images", (-1, 3, -1, -1))
    assert plan_profile([tensor], BuildSettings(shapes={"images": shapes}), "m.onnx") == {"images": shapes}


def test_values_of_a_shape_input_are_taken_as_they_are() -> None:
    values = ((1,), (2,), (9,))
    tensor = NetworkInput("size", (1,), is_shape=True)
    assert plan_profile([tensor], BuildSettings(shapes={"size": values}), "m.onnx") == {"size": values}


@pytest.mark.parametrize(
    ("tensor", "shapes", "says"),
    [
        (NetworkInput("images", (-1, 3, -1, -1)), {}, r"--shapes images:64x3x64x64,"),
        (NetworkInput("size", (2,), is_shape=True), {}, "size holds a shape"),
        (IMAGES, {"image": ((1,), (1,), (1,))}, "--shapes names image, but m.onnx has the inputs images"),
        (IMAGES, {"images": ((1, 3, 640), (1, 3, 640), (1, 3, 640))}, "does not fit"),
        (IMAGES, {"images": ((1, 4, 640, 480),) * 3}, "does not fit"),
        (NetworkInput("images", (1, 3, 64, 64)), {"images": ((2, 3, 64, 64),) * 3}, r"\[2, 3, 64, 64\] does not fit"),
        (IMAGES, {"images": ((4, 3, 640, 480), (1, 3, 640, 480), (8, 3, 640, 480))}, "must not decrease"),
    ],
    ids=["free size", "shape input", "unknown name", "wrong rank", "wrong channels", "no free axis", "decreasing"],
)
def test_unclear_shapes_are_refused(tensor: NetworkInput, shapes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        plan_profile([tensor], BuildSettings(shapes=shapes), "m.onnx")


@pytest.mark.parametrize(
    ("text", "name", "shapes"),
    [
        ("images:1x3x8x8,2x3x8x8,4x3x8x8", "images", ((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))),
        ("images:1x3x8x8", "images", ((1, 3, 8, 8),) * 3),
        ("input:0:1,2,9", "input:0", ((1,), (2,), (9,))),
    ],
    ids=["ranged", "fixed", "values of a shape, colon in the name"],
)
def test_shapes_are_read(text: str, name: str, shapes: object) -> None:
    assert read_range(text) == (name, shapes)


@pytest.mark.parametrize(
    "text", ["1x3x8x8", ":1x3", "images:", "images:1x3,2x3", "images:1x-3", "images:1 3", "images:¹"]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"NAME:MIN,OPT,MAX"):
        read_range(text)


def test_idle_batch_sizes_are_mentioned() -> None:
    fixed = [NetworkInput("images", (1, 3, 64, 64))]
    assert "--dynamic" in str(batch_note(fixed, BuildSettings(max_batch=32)))
    assert batch_note(fixed, BuildSettings()) is None
    assert batch_note([IMAGES], BuildSettings(max_batch=32)) is None
