"""From pictures to numbers: the choice of pictures, the cache, and what the user is told."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_models import tiny_detector

from trtzoo.engines.pictures.preprocess import prepare
from trtzoo.engines.pictures.sources import read_picture
from trtzoo.errors import InputError
from trtzoo.evaluation.calibration import calibrate as module
from trtzoo.evaluation.calibration.calibrate import calibrate
from trtzoo.evaluation.calibration.pictures import PictureReader, choose, with_letterbox
from trtzoo.evaluation.calibration.ranges import cache
from trtzoo.evaluation.calibration.ranges.collect import collect
from trtzoo.evaluation.calibration.ranges.counts import Counts
from trtzoo.evaluation.calibration.ranges.methods import Threshold
from trtzoo.evaluation.calibration.settings import CalibrationSettings
from trtzoo.graph_passes.precision.qdq.insert import Quantisation
from trtzoo.graph_passes.precision.qdq.points import QdqSettings

RNG = np.random.default_rng(0)
SUFFIXES = ("jpg", "png", "bmp", "webp", "tif", "JPEG")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty-four pictures of every format, in two folders, and a file that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    for number in range(24):
        suffix = SUFFIXES[number % len(SUFFIXES)]
        place = folder / "more" if number % 2 else folder
        _, data = cv2.imencode(f".{suffix.lower()}", RNG.integers(0, 256, (40, 50, 3), np.uint8))
        (place / f"{number:02}.{suffix}").write_bytes(data.tobytes())
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("nothing")
    return folder


def settings(pictures, **more):
    return CalibrationSettings(pictures, **{"bias_pictures": 4, "held_out": 2, "cache": None} | more)


def test_the_choice_is_random_but_the_same_every_time(pictures):
    first, second = choose(pictures, 10, 4), choose(pictures, 10, 4)
    assert first == second
    assert (len(first.files), len(first.held_out), first.found) == (10, 4, 25)
    assert list(first.files) != sorted(first.files)
    assert not set(first.files) & set(first.held_out)
    assert choose(pictures, 10, 4, seed=1).files != first.files


def test_few_pictures_are_used_but_for_a_twelfth(pictures):
    sample = choose(pictures, 1024, 32)
    assert (len(sample.files), len(sample.held_out)) == (23, 2)


def test_a_list_names_pictures_relative_to_it(pictures, tmp_path):
    (pictures / "list.txt").write_text("# chosen\n00.jpg\n\nmore/01.png\n")
    assert {file.name for file in choose(pictures / "list.txt", 5, 0).files} == {"00.jpg", "01.png"}


WRONG = {
    "no such folder": ("missing", "no such folder or file"),
    "a folder without pictures": ("empty", "no picture in the folder"),
    "a list of what is not there": ("gone.txt", r"x.jpg and 1 more are not there"),
    "an empty list": ("nothing.txt", "names no picture"),
    "a binary file": ("data.bin", "neither a picture nor a list"),
}


@pytest.mark.parametrize(("name", "message"), WRONG.values(), ids=WRONG)
def test_wrong_paths(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone.txt").write_text("x.jpg\ny.jpg\n")
    (tmp_path / "nothing.txt").write_text("# none\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=message):
        choose(tmp_path / name, 5, 0)


def test_pictures_are_prepared_as_detect_does(pictures):
    meta = tiny_detector(batch=None)[1]
    sample = choose(pictures, 8, 0)
    reader = PictureReader(meta)
    batches = list(reader.batches(sample.files, 3))
    readable = [file for file in sample.files if file not in reader.unreadable]
    expected = np.stack([prepare(read_picture(file), meta)[0] for file in readable])
    np.testing.assert_array_equal(np.concatenate(batches), expected)
    assert {len(batch) for batch in batches[:-1]} == {3}


def test_a_fixed_batch_is_filled_up(pictures):
    meta = replace(tiny_detector()[1], batch=4)
    files = [file for file in sorted(pictures.iterdir()) if file.suffix == ".jpg"][:3]
    (batch,) = PictureReader(meta).batches(files, 4)
    assert len(batch) == 4
    np.testing.assert_array_equal(batch[3], batch[2])


def test_letterbox_or_not():
    meta = tiny_detector()[1]
    assert with_letterbox(meta, None) is meta
    assert [with_letterbox(meta, wanted).preprocess.resize for wanted in (True, False)] == ["letterbox", "stretch"]
    classifier = replace(meta, task="classify", preprocess=replace(meta.preprocess, resize="crop"))
    assert with_letterbox(classifier, True) is classifier


def test_counts_of_a_pass_are_those_of_the_tensors():
    graph, _ = tiny_detector()
    images = [RNG.random((1, 3, 32, 48)).astype(np.float32) for _ in range(3)]
    found = collect(
        graph, ["images", "/stem/mul:out" if "/stem/mul:out" in graph.tensors() else "/stem/silu:out"], images
    )
    expected = Counts.of(np.concatenate(images))
    np.testing.assert_array_equal(found["images"].positive, expected.positive)
    assert found["images"].peak == expected.peak
    assert all(counts.total for counts in found.values())


def test_everything_at_once(pictures, tmp_path):
    graph, meta = tiny_detector()
    steps = []
    done = calibrate(
        graph, meta, "tiny", settings(pictures, cache=tmp_path / "caches"), lambda *step: steps.append(step)
    )
    assert set(done.numbers.thresholds) == set(done.points.quantised)
    assert set(done.numbers.biases) == set(done.points.layers)
    assert done.numbers.thresholds["images"] == pytest.approx(1, abs=0.05)
    assert [file.name for file in done.unreadable] in (["broken.png"], [])
    assert any("s left" in step for _, step in steps)
    assert all(0 <= share <= 1 for share, _ in steps)
    notes = " ".join(done.notes)
    assert f"calibrated on {23 - len(done.unreadable)} of 25 pictures" in notes
    assert "are few" in notes
    assert ("1 picture could not be read" in notes) == bool(done.unreadable)
    assert not done.cached


def test_the_cache_is_found_again_and_says_so(pictures, tmp_path, monkeypatch):
    graph, meta = tiny_detector()
    how = settings(pictures, cache=tmp_path)
    first = calibrate(graph, meta, "tiny", how)
    monkeypatch.setattr(module, "collect", None)
    second = calibrate(tiny_detector()[0], meta, "tiny", how)
    assert second.cached
    assert str(first.cache) in second.notes[0]
    assert second.numbers.thresholds == first.numbers.thresholds
    for layer, biases in first.numbers.biases.items():
        np.testing.assert_array_equal(second.numbers.biases[layer], biases)
    assert json.loads(first.cache.read_text())["key"]["method"] == "lp 3"


CHANGES = {
    "the weights": lambda graph, meta, how: (tiny_detector(scale=1.01)[0], meta, how),
    "the preprocessing": lambda graph, meta, how: (graph, meta, replace(how, letterbox=False)),
    "the method": lambda graph, meta, how: (graph, meta, replace(how, threshold=Threshold("mse"))),
    "its number": lambda graph, meta, how: (graph, meta, replace(how, threshold=Threshold(power=4))),
    "what is excluded": lambda graph, meta, how: (graph, meta, replace(how, qdq=QdqSettings(keep_first=True))),
    "how many pictures": lambda graph, meta, how: (graph, meta, replace(how, count=5)),
    "the recovery": lambda graph, meta, how: (graph, meta, replace(how, recovery="none")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_cache_is_never_used_for_another(pictures, tmp_path, change):
    graph, meta = tiny_detector()
    how = settings(pictures, cache=tmp_path)
    first = calibrate(graph, meta, "tiny", how)
    other = calibrate(*change(graph, meta, how)[:2], "tiny", change(graph, meta, how)[2])
    assert not other.cached
    assert other.cache != first.cache


def test_other_contents_of_the_same_pictures_are_another_key(tmp_path):
    (tmp_path / "p").mkdir()
    graph, meta = tiny_detector()
    found = []
    for seed in range(2):
        cv2.imwrite(str(tmp_path / "p" / "a.png"), np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8))
        found.append(calibrate(graph, meta, "tiny", settings(tmp_path / "p", cache=tmp_path)).cache)
    assert found[0] != found[1]


def test_a_file_of_another_key_is_not_read(tmp_path):
    path = tmp_path / "tiny.json"
    cache.save(path, {"model": "a"}, cache.Kept(Quantisation({"x": 1.5}), (2,)))
    assert cache.load(path, {"model": "b"}) is None
    assert cache.load(path, {"model": "a"}).unreadable == (2,)
    assert cache.load(path).numbers.thresholds == {"x": 1.5}
    path.write_text("{}")
    with pytest.raises(InputError, match="delete it"):
        cache.load(path)


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    graph, meta = tiny_detector()
    with pytest.raises(InputError, match=r"none of 1 pictures can be read, the first: .*a\.png"):
        calibrate(graph, meta, "tiny", settings(tmp_path))


@pytest.mark.parametrize("name", ["count", "batch"])
def test_numbers_out_of_range(pictures, name):
    with pytest.raises(InputError, match="choose 1 or more"):
        settings(pictures, **{name: 0})


def test_a_free_batch_takes_several_pictures_at_once_and_finds_the_same(pictures):
    one, several = (calibrate(*tiny_detector(batch), "tiny", settings(pictures, batch=5)) for batch in (1, None))
    assert one.numbers.thresholds == pytest.approx(several.numbers.thresholds, rel=1e-2)
