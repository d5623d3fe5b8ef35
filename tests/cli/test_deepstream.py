"""`trtzoo deepstream`: what it writes for which model, and what it leaves behind where it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bundle_models import bundle_meta
from fake_tensorrt import example_manifest
from nvinfer import read_config

from trtzoo.bundles.deepstream import DeepStreamSettings, write_bundle
from trtzoo.cli import main
from trtzoo.engines.build.record import model_meta
from trtzoo.engines.plans.manifest import write_manifest
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.errors import InputError, UnsupportedError

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MODEL = str(SAMPLES / "shapes.cfg")


def run(folder: Path, *flags: str, model: str = MODEL) -> int:
    return main(["deepstream", model, "-o", str(folder), "--no-verify", *flags])


def config(folder: Path) -> dict:
    groups, unknown = read_config((folder / "config_infer_primary.txt").read_text())
    assert not unknown
    return groups


def test_weights_with_the_stock_parser(tmp_path):
    assert run(tmp_path / "b", "--batch-size", "4", "--conf-thres", "0.4") == 0
    names = {path.name for path in (tmp_path / "b").iterdir()}
    assert names == {"shapes.onnx", "labels.txt", "README.md", "config_infer_primary.txt", "deepstream_app_config.txt"}
    groups = config(tmp_path / "b")
    assert (groups["property"]["batch-size"], groups["class-attrs-all"]["pre-cluster-threshold"]) == (4, 0.4)


@pytest.mark.parametrize("flags", [["--topk-all", "300"], ["--class-thres", "circle=0.6"], ["--parser", "own"]])
def test_what_the_stock_parser_cannot_do_brings_a_parser(flags, tmp_path):
    assert run(tmp_path / "b", *flags) == 0
    assert {"trtzoo_parse.cpp", "nvdsinfer_abi.h", "Makefile"} <= {path.name for path in (tmp_path / "b").iterdir()}
    assert config(tmp_path / "b")["property"]["network-type"] == 3


def test_the_suppression_is_that_of_the_flags(tmp_path, capsys):
    assert run(tmp_path / "b", "--nms", "static", "--nms-candidates", "256", "--nms-steps", "9") == 0
    nms = model_meta(tmp_path / "b" / "shapes.onnx").nms
    assert (nms.route, nms.candidates, nms.steps) == ("static", 256, 9)
    assert run(tmp_path / "c", "--nms-steps", "3", "--single-label", model=str(tmp_path / "b" / "shapes.onnx")) == 1
    assert "so --nms-steps, --single-label or --multi-label cannot change it" in capsys.readouterr().err


def test_a_finished_onnx_is_dressed_for_the_parser(tmp_path):
    assert main(["convert", MODEL, "--end2end", "--dynamic", "-o", str(tmp_path / "m.onnx"), "--no-verify"]) == 0
    assert run(tmp_path / "b", "--conf-thres", "0.5", model=str(tmp_path / "m.onnx")) == 0
    assert config(tmp_path / "b")["class-attrs-all"] == {"pre-cluster-threshold": 0.5}
    assert run(tmp_path / "c", model=str(tmp_path / "b" / "m.onnx")) == 0, "and again, from the bundle's own"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--topk-all", "300", "--parser", "stock"], "at most 200 rows"),
        (["--deepstream", "6.1"], "older than 6.2"),
        (["--precision", "int8"], "INT8 needs --calib-path, a folder of pictures"),
        (["--batch-size", "2000"], "1 to 1024"),
    ],
)
def test_what_cannot_work_is_one_error_and_leaves_nothing(flags, words, tmp_path, capsys):
    assert run(tmp_path / "b", *flags) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_weights_are_quantised_on_the_way(tmp_path):
    pictures = ["--calib-path", str(SAMPLES / "pictures"), "--cache-dir", str(tmp_path / "caches"), "--recover", "none"]
    assert run(tmp_path / "b", "--precision", "int8", *pictures) == 0
    assert model_meta(tmp_path / "b" / "shapes.onnx").precision == "int8"
    with pytest.raises(SystemExit):
        run(tmp_path / "c", *pictures)


def test_a_finished_model_keeps_its_precision(tmp_path, capsys):
    assert main(["convert", MODEL, "--end2end", "--half", "-o", str(tmp_path / "m.onnx"), "--no-verify"]) == 0
    assert run(tmp_path / "b", "--precision", "int8", model=str(tmp_path / "m.onnx")) == 1
    assert "is in fp16 and stays so, not in --precision int8; give the weights" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--uint8-input"], ["--runtime-thresholds"], ["--half", "--half-io"]])
def test_finished_models_that_nvinfer_cannot_feed_are_refused(flags, tmp_path, capsys):
    command = ["convert", MODEL, "--end2end", "-o", str(tmp_path / "m.onnx"), "--no-verify", *flags]
    assert main(command) == 0
    assert run(tmp_path / "b", model=str(tmp_path / "m.onnx")) == 1
    assert "does not run in DeepStream" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_engines_of_an_earlier_model_go(tmp_path, capsys):
    assert run(tmp_path / "b") == 0
    for name in ("shapes.onnx_b1_gpu0_fp32.engine", "other.engine"):
        (tmp_path / "b" / name).write_bytes(b"plan")
    assert run(tmp_path / "b") == 0
    assert not (tmp_path / "b" / "shapes.onnx_b1_gpu0_fp32.engine").exists()
    assert (tmp_path / "b" / "other.engine").exists()
    assert "removed shapes.onnx_b1_gpu0_fp32.engine" in capsys.readouterr().err


def engine(folder: Path, **changes) -> tuple[Path, object]:
    meta = bundle_meta(precision="fp16")
    shapes = tuple((size, 3, 384, 640) for size in (1, 2, 4))
    images = EngineTensor("images", "input", "float32", (-1, 3, 384, 640), shapes)
    manifest = replace(example_manifest(), version="10.3.0", tensors=(images,), meta=meta)
    write_manifest(replace(manifest, **changes), folder / "m.engine")
    (folder / "m.engine").write_bytes(b"plan")
    return folder / "m.engine", meta


def test_an_engine_stands_alone_in_the_configuration(tmp_path):
    path, meta = engine(tmp_path)
    assert write_bundle(path, meta, DeepStreamSettings("7.1", 4)).notes == ()
    found = config(tmp_path)["property"]
    assert (found["model-engine-file"], found.get("onnx-file")) == ("m.engine", None)
    [note] = write_bundle(path, meta, DeepStreamSettings("9.1", 4)).notes
    assert "built by TensorRT 10.3.0" in note


def test_engines_that_do_not_fit_are_refused(tmp_path):
    path, meta = engine(tmp_path)
    with pytest.raises(InputError, match="at most 4 pictures, --batch-size asks for 8"):
        write_bundle(path, meta, DeepStreamSettings("7.1", 8))
    path, meta = engine(tmp_path, target="tensorrt-rtx")
    with pytest.raises(UnsupportedError, match="tensorrt-rtx, which nvinfer does not load"):
        write_bundle(path, meta, DeepStreamSettings("7.1"))
