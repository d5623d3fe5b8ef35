"""`trtzoo.load("triton://...")` against a real server: what is fetched, what is said where something is missing."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from colour_network import NAMES, colour_network, picture_with, write
from triton_server import triton, wheel_or_reason

import trtzoo
from trtzoo.cli import main

pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed: pip install 'trtzoo[triton]'")

PICTURE = picture_with([(0, 0), (7, 1), (13, 2)])
SETTINGS = trtzoo.NmsSettings(conf_thres=0.7)
both = pytest.mark.parametrize("protocol", ["http", "grpc"])


@pytest.fixture(scope="module")
def wheel() -> Path:
    found, reason = wheel_or_reason()
    if found is None:
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A segment model whose rows are known, and the same without its metadata."""
    folder = tmp_path_factory.mktemp("client")
    path, models = write(folder, colour_network("segment"), None, "plain"), folder / "models"
    assert main(["triton", str(path), "-o", str(models), "--name", "colours", "--max-batch", "2"]) == 0
    shutil.copytree(models / "colours", models / "bare")
    config = models / "bare" / "config.pbtxt"
    text = config.read_text().replace('name: "colours"', 'name: "bare"', 1)
    config.write_text(re.sub(r"parameters \{.*?\n\}\n", "", text, flags=re.DOTALL))
    return models


@pytest.fixture(scope="module")
def server(wheel, repository):
    with triton(wheel, repository) as running:
        yield running


def counted(predictor: trtzoo.Predictor) -> tuple[list[list[str]], list[set[str]]]:
    """The outputs that each request asks for, and those that the server sends back."""
    client, asked, sent = predictor.runtime._client, [], []
    infer = client.infer

    def watched(*arguments, outputs, **more):
        answer = infer(*arguments, outputs=outputs, **more)
        response = answer.get_response()
        names = response["outputs"] if isinstance(response, dict) else response.outputs
        asked.append([one.name() for one in outputs])
        sent.append({one["name"] if isinstance(one, dict) else one.name for one in names})
        return answer

    client.infer = watched
    return asked, sent


@both
def test_masks_are_asked_for_only_when_they_are_wanted(server, repository, protocol):
    local = trtzoo.load(repository / "colours" / "1" / "model.onnx", SETTINGS)
    rows = ["num_dets", "det_boxes", "det_scores", "det_classes"]
    for masks, names in ((False, rows), (True, [*rows, "det_masks"])):
        with trtzoo.load(server.address(protocol, "colours"), SETTINGS, masks=masks) as remote:
            asked, sent = counted(remote)
            found, wanted = remote(PICTURE), local(PICTURE)
        assert (asked, sent) == ([names], [set(names)])
        assert found.classes.tolist() == wanted.classes.tolist() and len(found) == 3
        np.testing.assert_array_equal(found.boxes, wanted.boxes)
        assert (found.masks is None) == (not masks)
        if masks:
            np.testing.assert_array_equal(found.masks, wanted.masks)


def test_the_command_line_fetches_no_masks_that_it_does_not_write(server, tmp_path, monkeypatch):
    from trtzoo.engines.runtimes.triton import TritonRuntime

    request, asked = TritonRuntime._request, []
    monkeypatch.setattr(TritonRuntime, "_request", lambda self, *given: asked.append(given[2]) or request(self, *given))
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), PICTURE)
    base = ["detect", server.address("grpc", "colours"), str(tmp_path / "p.png"), "-o"]
    assert main([*base, str(tmp_path / "a"), "--no-masks"]) == 0
    assert main([*base, str(tmp_path / "b")]) == 0
    assert ["det_masks" in names for names in asked] == [False, True]


@both
def test_a_predictor_of_a_server_is_one_like_any_other(server, protocol):
    read = trtzoo.ReadOptions(names=None)
    with trtzoo.load(server.address(protocol, "colours"), SETTINGS, batch=2, read=read) as predictor:
        assert predictor.names == NAMES
        assert predictor.meta.task == "segment"
        assert [len(found) for found in predictor([PICTURE] * 5)] == [3] * 5
        closed = []
        predictor.runtime._client.close, close = lambda: closed.append(close()), predictor.runtime._client.close
    assert len(closed) == 1


WRONG = {
    "unknown model": ("absent", "the server says: .*absent"),
    "another version": ("colours/7", "the server says: .*7"),
    "no metadata": ("bare", "carries no trtzoo metadata; write it with `trtzoo triton`"),
}


@both
@pytest.mark.parametrize(("model", "words"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_one_line_and_the_connection_is_closed(server, model, words, protocol, monkeypatch):
    kit = pytest.importorskip(f"tritonclient.{protocol}")
    closed, close = [], kit.InferenceServerClient.close
    monkeypatch.setattr(kit.InferenceServerClient, "close", lambda self: closed.append(protocol) or close(self))
    address = server.address(protocol, model).replace("triton:", f"triton+{protocol}:")
    with pytest.raises(trtzoo.InputError, match=words) as raised:
        trtzoo.load(address)
    assert "\n" not in str(raised.value) and address in str(raised.value)
    assert protocol in closed


@pytest.mark.parametrize("scheme", ["triton", "triton+http", "triton+grpc"])
def test_no_server(scheme):
    with pytest.raises(trtzoo.InputError, match=r"no Triton server answers at 127\.0\.0\.1:1 .*check host and port"):
        trtzoo.load(f"{scheme}://127.0.0.1:1/colours")


def test_a_backend_or_a_size_is_the_servers(server):
    address = server.address("http", "colours")
    with pytest.raises(trtzoo.InputError, match="is run by its server; leave --backend out"):
        trtzoo.load(address, backend="torch")
    with pytest.raises(trtzoo.InputError, match="was converted for an input of 64x96"):
        trtzoo.load(address, read=trtzoo.ReadOptions(img_size=(32, 32)))
    with pytest.raises(trtzoo.InputError, match="has its NMS in the graph"):
        trtzoo.load(address, trtzoo.NmsSettings(conf_thres=0.1))


ALONE = ["--model-control-mode=explicit", "--load-model=colours"]


@both
def test_a_server_that_goes_away_is_one_line(wheel, repository, protocol):
    with (
        triton(wheel, repository, *ALONE) as running,
        trtzoo.load(running.address(protocol, "colours"), SETTINGS) as predictor,
    ):
        assert len(predictor(PICTURE)) == 3
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(20)
        with pytest.raises(trtzoo.InputError, match="the server says: ") as raised:
            predictor(PICTURE)
    assert "\n" not in str(raised.value)


def test_a_model_that_is_unloaded_is_named(wheel, repository):
    import tritonclient.http as kit

    with (
        triton(wheel, repository, *ALONE) as running,
        trtzoo.load(running.address("http", "colours"), SETTINGS) as predictor,
    ):
        kit.InferenceServerClient(running.http).unload_model("colours")
        with pytest.raises(trtzoo.InputError, match=r"the server says: .*colours"):
            predictor(PICTURE)
