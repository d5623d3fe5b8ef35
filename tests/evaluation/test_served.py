"""`verify`, `val`, `bench` and `report` of a model that a real Triton server runs, beside the file that it serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from colour_network import colour_network, write
from labelled_squares import write_yolo
from triton_server import Server, triton, wheel_or_reason

from trtzoo.cli import main

pytest.importorskip("tritonclient.http", reason="tritonclient is not installed: pip install 'trtzoo[triton]'")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("served"), colour_network("pose"), None, "plain")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    wheel, reason = wheel_or_reason()
    if wheel is None:
        pytest.skip(reason)
    models = model.parent / "models"
    assert main(["triton", str(model), "-o", str(models), "--name", "colours", "--max-batch", "2"]) == 0
    with triton(wheel, models) as running:
        yield running


def test_each_proof_takes_a_served_model(
    server: Server, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data, served = write_yolo(tmp_path / "set", "pose"), server.address("http", "colours")

    assert main(["verify", str(model), served, "--source", str(data.parent / "images" / "val"), "-o", "proof"]) == 0
    found = json.loads(Path("proof/verify.json").read_text())
    assert found["candidate"]["label"] == "colours"
    assert (found["detections"]["lost"], found["detections"]["extra"]) == (0, 0)

    assert main(["val", str(model), served, "--data", str(data), "-o", "val", "--no-plots"]) == 0
    ours, theirs = json.loads(Path("val/val.json").read_text())["models"]
    assert theirs["model"]["label"] == "colours"
    assert theirs["metrics"] == ours["metrics"]
    assert theirs["metrics"]["keypoints"]["map"] > 0.98

    assert main(["bench", str(model), served, "--runs", "5", "--seconds", "0.2", "-o", "bench", "--no-plots"]) == 0
    timed = json.loads(Path("bench/bench.json").read_text())["models"]
    assert [one["times"]["end_to_end"]["count"] for one in timed] == [5, 5]

    assert main(["report", "proof", "val", "bench", "-o", "page.html"]) == 0
    assert Path("page.html").read_text().count("colours") >= 3
    capsys.readouterr()
