"""`trtzoo zoo` and `trtzoo download` at the command line: exit codes, what is printed, what is left."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from rtx import needs_rtx
from shared import SHARED

from trtzoo.cli import main
from trtzoo.zoo.single import read_config, single_steps

pytest.importorskip("pytask_parallel", reason="`pip install trtzoo[zoo]`")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
WEIGHTS = SHARED / "golden" / "ul_v8_detect_nc3" / "model.pt"
"""A checkpoint of 0.7 MiB."""


@pytest.fixture
def folder(tmp_path):
    for suffix in ("cfg", "weights", "names"):
        shutil.copy(SAMPLES / f"shapes.{suffix}", tmp_path)
    return tmp_path


def write(folder, text, name="zoo.yaml"):
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return str(path)


TWO = """
    zoo: 1
    models:
      - {name: good, source: shapes.cfg}
      - {name: bad, source: shapes.names}
"""


def test_a_failing_model_is_named_and_the_others_are_done(folder, capsys):
    file = write(folder, TWO)
    assert main(["zoo", "build", file]) == 1
    out, err = capsys.readouterr()
    assert (folder / "zoo" / "good" / "fp32-onnxruntime" / "good.onnx").exists()
    assert "bad/fp32-onnxruntime/convert: " in err
    assert err.splitlines()[-1] == "error: 1 of 2 steps failed, see above; the others are done"
    assert "1 done, 1 failed" in out
    document = json.loads((folder / "zoo" / "zoo.json").read_text())
    assert document["counts"] == {"done": 1, "failed": 1}
    assert {step["id"]: step["state"] for step in document["steps"]} == {
        "good/fp32-onnxruntime/convert": "done",
        "bad/fp32-onnxruntime/convert": "failed",
    }


def test_a_threshold_redoes_its_model_and_touching_redoes_nothing(folder, capsys):
    """The whole way, from the file to ONNX: INT8 too, whose calibration no threshold changes."""
    text = """
        zoo: 1
        defaults: {{size: 64, calibration: {{path: pictures, num: 2}}, verify: false}}
        models:
          - {{name: one, source: shapes.cfg}}
          - {{name: two, source: shapes.cfg, precisions: [fp32, int8], nms: {{conf_thres: {threshold}}}}}
    """
    shutil.copytree(SAMPLES / "pictures", folder / "pictures")

    def done(threshold):
        assert main(["zoo", "build", write(folder, text.format(threshold=threshold)), "--json"]) == 0
        steps = json.loads(capsys.readouterr().out)["steps"]
        return {step["id"] for step in steps if step["state"] == "done"}

    variants = ("fp32-onnxruntime/convert", "int8-onnxruntime/convert")
    assert len(done(0.25)) == 4
    for path in [*folder.glob("shapes.*"), *(folder / "zoo").rglob("*.onnx"), *folder.glob("pictures/*")]:
        os.utime(path, (1, 1))
    assert done(0.25) == set()
    assert done(0.5) == {f"two/{variant}" for variant in variants}


def test_only_does_what_is_named_and_json_is_one_document(folder, capsys):
    file = write(folder, TWO)
    assert main(["zoo", "build", file, "--only", "good", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [step["model"] for step in document["steps"]] == ["good"]
    assert document["steps"][0]["outputs"] == ["good/fp32-onnxruntime/good.onnx"]


def test_a_dry_run_writes_nothing(folder, capsys):
    assert main(["zoo", "build", write(folder, TWO), "--dry-run"]) == 0
    assert "2 due" in capsys.readouterr().out
    assert not list(folder.rglob("*.onnx"))
    assert not (folder / "zoo" / "zoo.json").exists()


def test_nothing_to_download_is_said(folder, capsys):
    assert main(["zoo", "build", write(folder, TWO), "--download-only"]) == 0
    assert capsys.readouterr().err == "note: nothing to download: every model is a file that is here\n"


def test_a_mistake_in_the_file_is_one_line(folder, capsys):
    assert main(["zoo", "build", write(folder, "zoo: 1\nmodels:\n- {name: a, source: b, size: big}\n")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "zoo.yaml:3: " in line


def test_a_gpu_of_another_machine_is_left_out_and_said(folder, capsys):
    file = write(
        folder, "zoo: 1\nmodels:\n- {name: a, source: shapes.cfg, targets: [{target: tensorrt-rtx, gpu: far}]}\n"
    )
    assert main(["zoo", "build", file, "--json"]) == 0
    out, err = capsys.readouterr()
    assert [step["kind"] for step in json.loads(out)["steps"]] == ["convert"]
    assert "note: a/fp32-tensorrt-rtx-far/build left out: it needs a GPU far" in err
    main(["zoo", "build", file, "--json", "--gpu", "far", "--dry-run"])
    assert [step["kind"] for step in json.loads(capsys.readouterr().out)["steps"]] == ["convert", "build"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["zoo.yaml", "--config", "c.yaml"], ["zoo.yaml", "--target", "tensorrt"], ["z.yaml", "--ray", "--gpu", "a"]],
)
def test_wrong_usage_is_exit_code_2(arguments):
    with pytest.raises(SystemExit) as ended:
        main(["zoo", "build", *arguments])
    assert ended.value.code == 2


CONFIG = """
    camera: {device: 0}
    vision:
      yolo:
        model_path: models/shapes.engine
        input_size: [96, 128]
        confidence_threshold: 0.4
        something_of_the_application: 3
        tensorrt_engine_settings: {precision: FP16, batch_size: 2, workspace_size: 1}
        model_source: {base_model: yolo11n-pose, pt_model_path: models/yolo11n-pose.pt}
"""


def test_an_applications_config_becomes_the_phases(tmp_path):
    path = Path(write(tmp_path, CONFIG, "config.yaml"))
    steps = {step.kind: step for step in single_steps(read_config(path), tmp_path, "tensorrt-rtx")}
    assert list(steps) == ["fetch", "convert", "build"]
    assert steps["fetch"].command == ("download", "yolo11n-pose", "-o", str(tmp_path / "models" / "yolo11n-pose.pt"))
    convert = " ".join(steps["convert"].command)
    for flags in (
        "--img-size 96 128",
        "--batch-size 2",
        "--end2end --target tensorrt-rtx",
        "--conf-thres 0.4",
        "--half",
    ):
        assert flags in convert
    assert steps["build"].command[-2:] == ("--workspace", "1.0")
    assert [path.name for path in steps["build"].outputs] == ["shapes.engine", "shapes.engine.json"]


def test_download_only_fetches_once_and_force_fetches_again(tmp_path, capsys):
    """The weights come from a file URL, which needs no server."""
    weights = tmp_path / "there" / "w.pt"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    text = CONFIG.replace("base_model: yolo11n-pose", f"base_model: x, download_url: '{weights.as_uri()}'")
    file = write(tmp_path, text, "config.yaml")
    states = []
    for flags, content in (([], b"one"), ([], b"one"), (["--force-download"], b"two"), ([], b"two")):
        weights.write_bytes(content)
        assert main(["zoo", "build", "--config", file, "--download-only", "--json", *flags]) == 0
        states += [step["state"] for step in json.loads(capsys.readouterr().out)["steps"]]
        assert (tmp_path / "models" / "yolo11n-pose.pt").read_bytes() == content
    assert states == ["done", "unchanged", "done", "unchanged"]


def test_weights_of_ones_own_are_taken_as_they_are(tmp_path):
    path = Path(write(tmp_path, CONFIG.replace("yolo11n-pose", "people"), "config.yaml"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "people.pt").write_bytes(b"trained here")
    assert [step.kind for step in single_steps(read_config(path), tmp_path)] == ["convert", "build"]


@needs_rtx
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="no ../shared/golden: a checkpoint to convert")
def test_a_config_goes_on_with_the_phase_that_was_not_done(tmp_path, capsys):
    """Each run stands for one that was broken off, or says what is to be done again; what it did, in order."""
    text = CONFIG.replace("base_model: yolo11n-pose", f"base_model: x, download_url: '{WEIGHTS.as_uri()}'")
    build = ["zoo", "build", "--config", write(tmp_path, text, "config.yaml"), "--target", "tensorrt-rtx", "--json"]
    models = tmp_path / "models"

    def done(*flags):
        assert main([*build, *flags]) == 0
        return [step["kind"] for step in json.loads(capsys.readouterr().out)["steps"] if step["state"] == "done"]

    assert done("--download-only") == ["fetch"]
    assert done() == ["convert", "build"]
    assert json.loads((models / "shapes.engine.json").read_text())["meta"]["batch"] == 2
    (models / "shapes.engine").unlink()
    assert done() == ["build"]
    assert done() == []
    assert done("--force-convert") == ["convert", "build"]
    assert done("--force-all", "--skip-verify") == ["fetch", "convert", "build"]


@pytest.mark.parametrize(("target", "said"), [("tensorrt-rtxx", "did you mean"), ("onnxruntime", "has no engines")])
def test_a_target_without_engines_is_refused_at_once(tmp_path, capsys, target, said):
    file = write(tmp_path, CONFIG, "config.yaml")
    assert main(["zoo", "build", "--config", file, "--target", target]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_steps_that_were_skipped_are_not_said_to_be_done(folder, capsys):
    model = "{name: bad, source: shapes.names, bundles: [triton]}"
    assert main(["zoo", "build", write(folder, f"zoo: 1\nmodels:\n- {model}\n")]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "error: 1 of 2 steps failed, see above, 1 skipped that need them; the others are done"


CONFIG_MISTAKES = {
    "weights that nobody knows": (CONFIG.replace("yolo11n-pose", "peple"), "no model 'peple' in the catalogue"),
    "no such part": ("camera: {}\n", "has no vision.yolo"),
    "no engine": (CONFIG.replace("shapes.engine", "shapes.trt"), "models/shapes.trt is no .engine"),
    "int8 without pictures": (CONFIG.replace("FP16", "INT8"), "names no pictures to calibrate with"),
    "an unknown precision": (CONFIG.replace("FP16", "FP8"), "vision.yolo.tensorrt_engine_settings.precision"),
}


@pytest.mark.parametrize(("text", "said"), CONFIG_MISTAKES.values(), ids=CONFIG_MISTAKES)
def test_mistakes_in_a_config_are_one_line(tmp_path, capsys, text, said):
    assert main(["zoo", "build", "--config", write(tmp_path, text, "config.yaml")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_the_list_can_be_narrowed(capsys):
    main(["zoo", "list", "--family", "darknet", "--json"])
    models = json.loads(capsys.readouterr().out)["models"]
    assert {"yolov3", "yolov4-tiny"} <= {model["name"] for model in models}
    assert {model["family"] for model in models} == {"darknet"}


def test_the_schema_is_printed(capsys):
    assert main(["zoo", "schema"]) == 0
    assert "$defs" in json.loads(capsys.readouterr().out)


def test_download_prints_where_the_file_is(tmp_path, capsys):
    (tmp_path / "m.pt").write_bytes(b"weights")
    assert main(["download", (tmp_path / "m.pt").as_uri(), "-o", str(tmp_path / "other.pt")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'other.pt'}: 0.0 MiB, SHA-256 ")


def test_download_names_the_close_ones(capsys):
    assert main(["download", "yolo11n-pos"]) == 1
    assert "did you mean yolo11n-pose" in capsys.readouterr().err
