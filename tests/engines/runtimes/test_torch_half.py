"""The torch backend in FP16."""

from __future__ import annotations

import numpy as np
import pytest
from colour_network import colour_network, write
from shared import WEIGHTS, needs_weights

from trtzoo.converters.options import ReadOptions
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.engines.runtimes.torch import TorchRuntime
from trtzoo.errors import InputError


def test_any_batch_and_the_precision_are_in_its_metadata():
    runtime = TorchRuntime(colour_network(), half=True)
    assert (runtime.meta.precision, runtime.meta.batch) == ("fp16", None)
    images = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    found, expected = runtime.infer(images), TorchRuntime(colour_network()).infer(images)
    assert found["scores"].dtype == found["boxes"].dtype == np.float32
    np.testing.assert_array_equal(found["boxes"], expected["boxes"])
    assert 0 < np.abs(found["scores"] - expected["scores"]).max() < 0.001


@needs_weights
def test_a_real_model_rounds_to_eleven_bits():
    read = ReadOptions(img_size=(128, 128))
    images = np.random.default_rng(0).random((1, 3, 128, 128), np.float32)
    single, half = (open_runtime(WEIGHTS / "yolov8n.pt", "torch", read=read, half=half) for half in (False, True))
    error = np.abs(single.infer(images)["scores"] - half.infer(images)["scores"]).max()
    assert 0 < error < 0.02


def test_finished_models_have_their_precision_in_the_file(tmp_path):
    path = write(tmp_path, colour_network())
    with pytest.raises(InputError, match="convert the model with --half"):
        open_runtime(path, half=True)
