"""Which shapes an engine is built for."""

import pytest

from trtzoo.engines.build.profiles import NetworkInput, batch_note, plan_profile
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
        (IMAGES, {"images": ((4, 3, 640, 480), (1, 3, 640, 480), (8, 3, 640, 480))}, "must not decrease"),
    ],
    ids=["free size", "shape input", "unknown name", "wrong rank", "wrong channels", "decreasing"],
)
def test_unclear_shapes_are_refused(tensor: NetworkInput, shapes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        plan_profile([tensor], BuildSettings(shapes=shapes), "m.onnx")


def test_idle_batch_sizes_are_mentioned() -> None:
    fixed = [NetworkInput("images", (1, 3, 64, 64))]
    assert "--dynamic" in str(batch_note(fixed, BuildSettings(max_batch=32)))
    assert batch_note(fixed, BuildSettings()) is None
    assert batch_note([IMAGES], BuildSettings(max_batch=32)) is None
