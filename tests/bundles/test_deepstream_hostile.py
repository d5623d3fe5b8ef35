"""The C++ parser under AddressSanitizer and UndefinedBehaviorSanitizer with buffers that no model of ours would write."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parser_driver import SANITIZERS, STRICT, Case, Layer, compile_parser, layers_of, needs_compiler, parse

import trtzoo.bundles.deepstream

FILES = Path(trtzoo.bundles.deepstream.__file__).parent / "files"
NETWORK, ROWS, CLASSES = (64, 96), 6, 3
WIDE = (-1, ROWS + 1, 2**31 - 1, -(2**31), 0)
ODD = (np.nan, np.inf, -np.inf, 1e9, -1e9, 3.4e38, -3.4e38)

pytestmark = needs_compiler


def rows(task: str) -> dict[str, np.ndarray]:
    """Sound outputs of one image, batch axis first."""
    rng = np.random.default_rng(5)
    low = rng.uniform(0, 40, (1, ROWS, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 20, (1, ROWS, 2))], 2)
    if task == "obb":
        boxes = np.concatenate([low, rng.uniform(4, 20, (1, ROWS, 2)), rng.uniform(-2, 2, (1, ROWS, 1))], 2)
    outputs = {
        "num_dets": np.array([[ROWS]], np.int32),
        "det_boxes": boxes.astype(np.float32),
        "det_scores": np.linspace(0.9, 0.5, ROWS, dtype=np.float32)[None],
        "det_classes": (np.arange(ROWS, dtype=np.int32) % CLASSES)[None],
    }
    if task == "pose":
        outputs["det_kpts"] = rng.uniform(0, 64, (1, ROWS, 4, 3)).astype(np.float32)
    if task == "segment":
        outputs["det_masks"] = rng.uniform(0, 1, (1, ROWS, 16, 24)).astype(np.float32)
    return outputs


def case(layers: list[Layer], network: tuple[int, int] = NETWORK) -> Case:
    return Case(layers, network, [0.3] * CLASSES)


def hostile(task: str) -> Iterator[tuple[str, Case]]:
    """Named cases."""
    sound = rows(task)
    yield "sound", case(layers_of(sound))
    for count in WIDE:
        yield f"num_dets {count}", case(layers_of(sound | {"num_dets": np.array([[count]], np.int32)}))
    for name in [name for name in sound if sound[name].dtype == np.float32]:
        for value in ODD:
            changed = sound[name].copy()
            changed.reshape(-1)[::2] = value
            yield f"{name} {value}", case(layers_of(sound | {name: changed}))
    for value in (-1, CLASSES, 2**31 - 1, -(2**31)):
        yield f"class {value}", case(layers_of(sound | {"det_classes": np.full((1, ROWS), value, np.int32)}))
        yield f"float class {value}", case(layers_of(sound | {"det_classes": np.full((1, ROWS), value, np.float32)}))
    for value in (np.nan, np.inf, 1.5):
        yield f"float class {value}", case(layers_of(sound | {"det_classes": np.full((1, ROWS), value, np.float32)}))
    yield from _broken_layers(sound)
    for network in ((0, 0), (1, 1), (64, 0), (2**31, 2**31)):
        yield f"network {network}", case(layers_of(sound), network)


def _broken_layers(sound: dict[str, np.ndarray]) -> Iterator[tuple[str, Case]]:
    layers = layers_of(sound)
    for at, layer in enumerate(layers):

        def changed(at: int = at, layer: Layer = layer, **more: object) -> Case:
            return case([*layers[:at], replace(layer, **more), *layers[at + 1 :]])

        left_out = "missing" if at < 4 else "left out, so there are boxes only"
        yield f"{layer.name} {left_out}", case([*layers[:at], *layers[at + 1 :]])
        yield f"{layer.name} null", changed(values=None)
        yield f"{layer.name} fp16", changed(values=np.zeros(layer.dims, np.float16), dtype="float16")
        yield f"{layer.name} int64", changed(values=np.zeros(layer.dims, np.int64), dtype="int64")
        yield f"{layer.name} uint8", changed(values=np.zeros(layer.dims, np.uint8), dtype="uint8")
        if layer.name != "num_dets":
            yield f"{layer.name} short", changed(values=layer.values.reshape(-1)[:1], dims=(1,) * len(layer.dims))
        yield f"{layer.name} of no rank", changed(dims=(), elements=0)
        yield f"{layer.name} elements", changed(elements=2**32 - 1)
        yield f"{layer.name} huge dims", changed(dims=(2**31,) * len(layer.dims), elements=0)
    yield "no layers", case([])


HURT = {"fp16", "int64", "uint8", "missing", "null", "short", "rank", "elements", "dims", "layers"}


def assert_in_range(found: list, names: tuple[str, Case], obb: bool) -> None:
    name, given = names
    height, width = given.network
    assert len(found) <= ROWS, name
    for item in found:
        x, y, w, h = item.box
        assert 0 <= item.label < CLASSES and item.score >= np.float32(0.3), name
        assert np.isfinite([*item.box, item.rotation]).all(), name
        assert item.mask is None or np.isfinite(item.mask).all(), name
        if obb:
            assert 0 <= x + w / 2 <= width and 0 <= y + h / 2 <= height and 0 <= item.rotation < np.pi, name
        else:
            assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= width * 1.000001 and y + h <= height * 1.000001, (
                name
            )


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory) -> tuple[Path, Path]:
    """Library and driver with the sanitizers in them."""
    folder = tmp_path_factory.mktemp("sanitized")
    (folder / "empty.cpp").write_text("int main() { return 0; }\n")
    probe = ["g++", *SANITIZERS, "-o", str(folder / "probe"), str(folder / "empty.cpp")]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this g++ has no sanitizers (Debian and Ubuntu: apt install g++ brings them)")
    return compile_parser(FILES, folder, flags=SANITIZERS)


@pytest.mark.parametrize(
    ("task", "function"),
    [
        ("detect", "TrtzooParse"),
        ("pose", "TrtzooParse"),
        ("segment", "TrtzooParse"),
        ("obb", "TrtzooParse"),
        ("obb", "TrtzooParseObb"),
    ],
)
def test_nothing_is_read_out_of_bounds_leaked_or_out_of_range(sanitized, task, function):
    named = list(hostile(task))
    assert len(named) >= 60
    for names, found in zip(named, parse(sanitized, [one for _, one in named], function), strict=True):
        assert_in_range(found, names, function == "TrtzooParseObb")
        if names[0] == "sound":
            assert len(found) == ROWS
        if names[0].split()[-1] in HURT:
            assert not found, names[0]


@pytest.mark.parametrize("major", [6, 7, 8, 9])
def test_every_release_compiles_without_a_warning(major, tmp_path):
    library, _ = compile_parser(FILES, tmp_path, major, ("-O2",))
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in symbols.splitlines() if "Trtzoo" in line}
    assert names == ({"TrtzooParse", "TrtzooParseObb"} if major >= 9 else {"TrtzooParse"})


def test_the_makefile_takes_the_release_that_is_installed(tmp_path):
    """A bundle for 9.1 on a machine with 6.3: the library has the layout of that machine."""
    from bundle_models import bundle_meta

    from trtzoo.bundles.deepstream import DeepStreamSettings, write_bundle

    (tmp_path / "m.onnx").write_bytes(b"graph")
    write_bundle(tmp_path / "m.onnx", bundle_meta("obb"), DeepStreamSettings("9.1"))
    (tmp_path / "version").write_text("Version: 6.3\nGCID: 33423442\n")
    printed = {
        path: subprocess.run(
            ["make", "-n", f"DS_VERSION_FILE={path}"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for path in ("version", "absent")
    }
    assert "-DDS_VERSION_MAJOR=6 " in printed["version"] and "-DDS_VERSION_MAJOR=9 " in printed["absent"]
    assert all(flag in printed["absent"] for flag in STRICT)
