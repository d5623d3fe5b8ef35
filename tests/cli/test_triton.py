"""`trtzoo triton`: what it writes for which model, what it refuses, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from bundle_models import bundle_meta
from fake_gpu import GPU, VERSIONS, install
from fake_tensorrt import example_manifest

from trtzoo.cli import main
from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.build.record import model_meta
from trtzoo.engines.library import packages
from trtzoo.engines.plans.manifest import write_manifest
from trtzoo.engines.plans.settings import BuildSettings
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.graph_passes.layouts import expected_outputs
from trtzoo.pipeline import triton

pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed: pip install 'trtzoo[triton]'")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MODEL = str(SAMPLES / "shapes.cfg")
VERSION = VERSIONS[3]
SMALL = ["--img-size", "96", "--no-verify"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))


@pytest.fixture
def gpu(monkeypatch):
    """A machine that builds engines."""
    monkeypatch.setattr(packages, "installed_version", lambda target: VERSION)
    install(monkeypatch, VERSION)


def run(*flags: str, model: str = MODEL) -> int:
    return main(["triton", model, "-o", "repository", *flags])


def text(name: str = "shapes") -> str:
    return Path("repository", name, "config.pbtxt").read_text()


def left() -> list[str]:
    root = Path("repository")
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) if root.exists() else []


def engine(**changes) -> str:
    """An engine with the manifest that `build` writes."""
    meta = bundle_meta(layout="separate")
    shapes = changes.pop("profile", tuple((size, 3, 384, 640) for size in (1, 2, 4)))
    outputs = [EngineTensor(s.name, "output", s.dtype, (-1, *s.shape[1:])) for s in expected_outputs(meta)]
    tensors = (EngineTensor("images", "input", "float32", (-1, 3, 384, 640), shapes), *outputs)
    write_manifest(replace(example_manifest(), tensors=tensors, meta=meta, **changes), Path("m.engine"))
    Path("m.engine").write_bytes(b"plan")
    return "m.engine"


def test_weights_become_an_engine_where_the_machine_builds_one(gpu, capsys):
    assert run(*SMALL, "--backend", "tensorrt", "--precision", "fp16", "--max-batch", "4") == 0
    said = capsys.readouterr()
    assert said.out.startswith("repository: shapes; tritonserver")
    assert f"on that GPU and that library only: TensorRT {VERSION} on {GPU}" in said.err
    assert left() == ["shapes/1/model.plan", "shapes/config.pbtxt", "shapes/labels.txt"]
    assert Path("repository/shapes/1/model.plan").read_bytes()[:4] == b"ftrt"
    written = text()
    assert 'platform: "tensorrt_plan"' in written and "max_batch_size: 4" in written and "backend" not in written
    assert r"\"precision\": \"fp16\"" in written
    assert not list(Path().glob("*.onnx")) and not list(Path().glob("*.engine"))


def test_an_onnx_file_becomes_an_engine_too_and_the_file_of_another_backend_goes(gpu):
    assert main(["convert", MODEL, *SMALL, "--end2end", "--dynamic", "-o", "m.onnx"]) == 0
    assert run("--name", "m", model="m.onnx") == 0
    assert "m/1/model.onnx" in left()
    assert run("--name", "m", "--backend", "tensorrt", model="m.onnx") == 0
    assert left() == ["m/1/model.plan", "m/config.pbtxt", "m/labels.txt"]


def test_python_says_the_same(gpu):
    from trtzoo.bundles.triton import TritonSettings
    from trtzoo.graph_passes.settings import EndToEnd
    from trtzoo.pipeline import ConvertSettings

    wanted = ConvertSettings(batch=None, end2end=EndToEnd(NmsSettings("plain")), verify=False)
    done = triton(MODEL, "repository", TritonSettings("a", 2), wanted, "tensorrt", BuildSettings(opt_level=1))
    assert (done.backend, done.models, done.meta.nms.route) == ("tensorrt", ("a",), "plain")
    assert "max_batch_size: 2" in text("a")


@pytest.mark.parametrize(
    ("version", "driver", "words"),
    [("", (12, 4), "TensorRT is not installed"), (VERSION, None, "no CUDA driver answers on this machine")],
)
def test_where_no_engine_can_be_built_it_is_said_first(version, driver, words, monkeypatch, capsys):
    install(monkeypatch, VERSION, driver)
    monkeypatch.setattr(packages, "installed_version", lambda target: version)
    assert run(*SMALL, "--backend", "tensorrt") == 1
    [said] = capsys.readouterr().err.splitlines()
    assert words in said and "run this command there, or `trtzoo build" in said and "--backend onnxruntime" in said
    assert left() == []


def test_an_engine_needs_no_backend_and_says_where_it_runs(capsys):
    assert run(model=engine(settings=BuildSettings(version_compatible=True))) == 0
    notes = capsys.readouterr().err
    assert "on that GPU and that library only: TensorRT 10.16.1.11 on NVIDIA L4 8.9" in notes
    assert "--backend-config=tensorrt,version-compatible=true" in notes
    assert "takes at most 4 pictures, so max_batch_size is 4" in notes


WRONG_ENGINES = {
    "another backend": ({}, ["--backend", "onnxruntime"], "--backend onnxruntime does not run"),
    "thresholds": (
        {},
        ["--conf-thres", "0.4", "--nms", "plain"],
        "stays as it was built, so leave --nms, --conf-thres out",
    ),
    "precision": ({}, ["--precision", "fp16", "--uint8-input"], "leave --precision, --uint8-input out"),
    "RTX": ({"target": "tensorrt-rtx"}, [], "which Triton's tensorrt backend does not load"),
    "no single picture": (
        {"profile": tuple((size, 3, 384, 640) for size in (2, 2, 4))},
        [],
        "takes no fewer than 2 pictures",
    ),
    "optional": ({}, ["--optional-thresholds"], "TensorRT has no inputs that may be left out"),
}


@pytest.mark.parametrize(("changes", "flags", "words"), WRONG_ENGINES.values(), ids=WRONG_ENGINES)
def test_engines_that_cannot_be_served_so(changes, flags, words, capsys):
    assert run(*flags, model=engine(**changes)) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert left() == []


def test_an_engine_without_its_manifest(capsys):
    Path(engine() + ".json").unlink()
    Path("m.engine").write_bytes(b"ftrt" + bytes(60))
    assert run(model="m.engine") == 1
    assert "nothing is known about this engine without the .json" in capsys.readouterr().err


def test_plugins_become_operators_for_onnx_runtime(capsys):
    flags = ["--end2end", "--target", "tensorrt:10.3", "--dynamic", "-o", "m.onnx"]
    assert main(["convert", MODEL, *SMALL, *flags]) == 0
    assert run(model="m.onnx") == 0
    assert "EfficientNMS_TRT '/nms/efficient_nms' became standard operators" in capsys.readouterr().err
    served = onnx.load("repository/m/1/model.onnx")
    assert not [node for node in served.graph.node if "TRT" in node.op_type]


def test_the_suppression_and_the_precision_are_those_of_the_flags():
    flags = ["--nms", "static", "--nms-steps", "9", "--class-thres", "circle=0.6", "--precision", "fp16"]
    assert run(*SMALL, *flags) == 0
    meta = model_meta(Path("repository/shapes/1/model.onnx"))
    assert (meta.nms.route, meta.nms.steps, meta.precision) == ("static", 9, "fp16")
    assert meta.extra["class_thresholds"] == {"circle": 0.6}


def test_flags_that_would_do_nothing_are_refused(capsys):
    with pytest.raises(SystemExit):
        run(*SMALL, "--optional-thresholds")
    assert "--optional-thresholds needs --runtime-thresholds" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--end2end", "--dynamic", "-o", "m.onnx"]) == 0
    assert run("--runtime-thresholds", model="m.onnx") == 1
    assert "so --runtime-thresholds cannot change it; give the weights" in capsys.readouterr().err


def test_thresholds_without_defaults_cannot_be_left_out(capsys):
    assert run(*SMALL, "--runtime-thresholds") == 0
    served = "repository/shapes/1/model.onnx"
    assert run("--name", "again", "--optional-thresholds", model=served) == 1
    assert "no input of this file has a default" in capsys.readouterr().err
    assert main(["convert", MODEL, *SMALL, "--end2end", "--dynamic", "--runtime-thresholds", "-o", "m.onnx"]) == 0
    assert run("--optional-thresholds", model="m.onnx") == 0
    assert text("m").count("optional: true") == 2


def test_an_ensemble_of_an_earlier_model_is_named(capsys):
    assert run(*SMALL, "--ensemble") == 0
    assert "earlier" not in capsys.readouterr().err
    assert run(*SMALL) == 0
    assert "shapes_pictures takes pictures for an earlier shapes; --ensemble writes it again" in capsys.readouterr().err
