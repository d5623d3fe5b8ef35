"""Model repositories on a real Triton server: what it answers is what the local model answers, bit for bit."""

from __future__ import annotations

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundle_models import bundle_meta
from fake_gpu import VERSIONS, install
from fake_tensorrt import example_manifest
from triton_server import triton, wheel_or_reason

from trtzoo.bundles.triton import TritonSettings, engine_source, onnx_source, write_repository
from trtzoo.cli import main
from trtzoo.contract.nms import NmsSettings
from trtzoo.engines.library import packages
from trtzoo.engines.pictures.predictor import Predictor
from trtzoo.engines.pictures.preprocess import prepare
from trtzoo.engines.plans.manifest import write_manifest
from trtzoo.engines.plans.tensors import EngineTensor
from trtzoo.engines.runtimes.open import open_runtime
from trtzoo.engines.runtimes.triton import TritonRuntime, parse_address
from trtzoo.errors import InputError
from trtzoo.graph_passes.layouts import expected_outputs

pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed: pip install 'trtzoo[triton]'")

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILES = sorted((SAMPLES / "pictures").glob("*.jpg"))
FLAGS = {"plain": [], "frames": ["--uint8-input"], "asked": ["--runtime-thresholds"]}
both = pytest.mark.parametrize("protocol", ["http", "grpc"])


def same(here, there) -> None:
    assert len(here.scores) == len(there.scores)
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


@pytest.fixture(scope="module")
def pictures():
    return [cv2.imread(str(path)) for path in FILES]


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """Written by the command: three variants of the sample and one whose thresholds may be left out."""
    folder = tmp_path_factory.mktemp("triton") / "repository"
    cases = {**FLAGS, "left-out": ["--runtime-thresholds", "--optional-thresholds"], "camera": ["--ensemble"]}
    for name, flags in cases.items():
        if name != "plain":
            assert (
                main(["triton", str(SAMPLES / "shapes.cfg"), "-o", str(folder), "--name", name, "--no-verify", *flags])
                == 0
            )
    assert main(["triton", str(SAMPLES / "shapes.cfg"), "-o", str(folder), "--name", "plain"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent))
        patch.setattr(packages, "installed_version", lambda target: VERSIONS[-1])
        install(patch, VERSIONS[-1])
        flags = ["--name", "engine", "--backend", "tensorrt", "--nms", "plain", "--max-batch", "4"]
        assert main(["triton", str(SAMPLES / "shapes.cfg"), "-o", str(folder), *flags]) == 0
    return folder


@pytest.fixture(scope="module")
def wheel() -> Path:
    found, reason = wheel_or_reason()
    if found is None:
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def server(wheel, repository):
    flags = ["--model-control-mode=explicit", "--load-model=*"]
    with triton(wheel, repository, *flags) as running:
        yield running


def local(repository: Path, name: str) -> Predictor:
    return Predictor(open_runtime(repository / name / "1" / "model.onnx"))


@both
@pytest.mark.parametrize("name", ["plain", "frames", "asked", "left-out"])
def test_answers_are_those_of_the_local_model(server, repository, pictures, name, protocol):
    remote = Predictor(open_runtime(server.address(protocol, name)))
    assert remote.meta == local(repository, name).meta
    for here, there in zip(local(repository, name)(pictures), remote(pictures), strict=True):
        same(here, there)
    assert protocol in remote.runtime.name


@both
def test_more_pictures_than_a_batch_and_thresholds_of_the_request(server, repository, pictures, protocol):
    settings = NmsSettings(conf_thres=0.6, iou_thres=0.3)
    remote = Predictor(open_runtime(server.address(protocol, "asked")), settings)
    here = Predictor(open_runtime(repository / "asked" / "1" / "model.onnx"), settings)
    many = pictures * 2
    assert len(many) > 8
    for one, other in zip(here(many), remote(many), strict=True):
        same(one, other)


@both
def test_the_configuration_of_an_engine_is_one_that_the_server_loads(server, repository, pictures, protocol):
    """The engine is of the tests' fake TensorRT, and a stand-in for Triton's backend runs it; no real one was tried."""
    remote = Predictor(open_runtime(server.address(protocol, "engine")))
    assert remote.meta.nms.route == "plain"
    assert (repository / "engine" / "1" / "model.plan").read_bytes()[:4] == b"ftrt"
    for here, there in zip(local(repository, "plain")(pictures * 2), remote(pictures * 2), strict=True):
        same(here, there)


def test_a_batch_beyond_the_profile_is_refused_by_the_server(wheel, repository, tmp_path):
    shutil.copytree(repository / "engine", tmp_path / "engine")
    config = tmp_path / "engine" / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 4", "max_batch_size: 5"))
    with (
        pytest.raises(RuntimeError, match="unexpected configuration maximum batch size 5"),
        triton(wheel, tmp_path, "--model-control-mode=none"),
    ):
        pass


def test_a_hundred_requests_at_once(server, repository, pictures):
    import tritonclient.http as kit

    wanted, client = local(repository, "plain")(pictures), kit.InferenceServerClient(server.http)
    before = _settled(client)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: _ask(server, number, pictures), range(100)))
    after = _settled(client)
    assert after["inference_count"] - before["inference_count"] == 100
    assert after["execution_count"] - before["execution_count"] < 100, "the server put none of them together"
    for number, there in enumerate(found):
        same(wanted[number % len(pictures)], there)


def _settled(client):
    """The server's statistics once they stand still: it answers a request before it counts it."""
    seen, still = None, 0
    while still < 10:
        statistics = client.get_inference_statistics("plain")["model_stats"][0]
        still = still + 1 if statistics["inference_count"] == seen else 0
        seen = statistics["inference_count"]
        time.sleep(0.1)
    return statistics


def _ask(server, number: int, pictures):
    runtime = open_runtime(server.address(("http", "grpc")[number % 2], "plain"))
    try:
        [found] = Predictor(runtime)([pictures[number % len(pictures)]])
    finally:
        runtime.close()
    return found


def test_thresholds_may_be_left_out(server, repository, pictures):
    import tritonclient.http as kit

    meta = local(repository, "left-out").meta
    image = prepare(pictures[0], meta)[0][None]
    given = kit.InferInput("images", list(image.shape), "FP32")
    given.set_data_from_numpy(image)
    answer = kit.InferenceServerClient(server.http).infer("left-out", [given])
    wanted = local(repository, "plain").runtime.infer(image)
    for name, values in wanted.items():
        np.testing.assert_array_equal(answer.as_numpy(name), values)


def test_only_wanted_outputs_are_asked_for(server, pictures):
    runtime = TritonRuntime(server.address("http", "plain"))
    image = prepare(pictures[0], runtime.meta)[0][None]
    assert list(runtime.infer(image, outputs=["num_dets", "det_scores"])) == ["num_dets", "det_scores"]


def test_an_ensemble_takes_the_bytes_of_a_picture(server, repository, pictures):
    import tritonclient.http as kit
    from tritonclient.utils import InferenceServerException

    client = kit.InferenceServerClient(server.http)

    def ask(data: bytes):
        given = kit.InferInput("picture", [len(data)], "UINT8")
        given.set_data_from_numpy(np.frombuffer(data, np.uint8))
        return client.infer("camera_pictures", [given])

    answer = ask(FILES[0].read_bytes())
    predictor = local(repository, "camera")
    image, placement = prepare(pictures[0], predictor.meta)
    for name, values in predictor.runtime.infer(image[None]).items():
        np.testing.assert_array_equal(answer.as_numpy(name), values)
    wanted = [*placement.size, *placement.scale, *placement.offset]
    np.testing.assert_allclose(answer.as_numpy("placement")[0], wanted, rtol=1e-6)
    with pytest.raises(InferenceServerException, match="not a picture"):
        ask(b"no picture")


@both
@pytest.mark.parametrize(("change", "words"), [("dtype", "data-type|dtype"), ("shape", "shape")])
def test_wrong_requests_are_one_clear_error_and_the_server_goes_on(server, pictures, change, words, protocol):
    runtime = open_runtime(server.address(protocol, "plain"))
    image = prepare(pictures[0], runtime.meta)[0][None]
    wrong = image.astype(np.float16) if change == "dtype" else image[..., :32]
    with pytest.raises(InputError, match=rf"the server says: .*({words})"):
        runtime.infer(wrong)
    assert len(runtime.infer(image)) == 4


def test_what_is_not_there(server):
    with pytest.raises(InputError, match=r"the server says: .*absent"):
        open_runtime(server.address("http", "absent"))
    with pytest.raises(InputError, match="no Triton server answers"):
        open_runtime("triton://127.0.0.1:1/plain")


def test_a_reloaded_model_is_the_new_one(server, repository, tmp_path, pictures):
    import tritonclient.http as kit

    client = kit.InferenceServerClient(server.http)
    before = open_runtime(server.address("http", "frames")).meta.nms.conf_thres
    flags = ["--name", "frames", "--uint8-input", "--conf-thres", "0.7", "--no-verify"]
    assert main(["triton", str(SAMPLES / "shapes.cfg"), "-o", str(repository), *flags]) == 0
    assert before != 0.7
    client.load_model("frames")
    runtime = open_runtime(server.address("http", "frames"))
    assert runtime.meta.nms.conf_thres == 0.7
    for here, there in zip(local(repository, "frames")(pictures), Predictor(runtime)(pictures), strict=True):
        same(here, there)


def test_a_killed_server_is_one_clear_error_and_starts_again(wheel, repository, tmp_path, pictures):
    flags = ["--model-control-mode=explicit", "--load-model=plain"]
    with triton(wheel, repository, *flags) as first:
        runtime = open_runtime(first.address("grpc", "plain"))
        image = prepare(pictures[0], runtime.meta)[0][None]
        wanted = runtime.infer(image)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(20)
        with pytest.raises(InputError, match="the server says"):
            runtime.infer(image)
    with triton(wheel, repository, *flags) as second:
        again = open_runtime(second.address("grpc", "plain")).infer(image)
    for name, values in wanted.items():
        np.testing.assert_array_equal(again[name], values)


def test_the_command_line_detects_on_a_server(server, tmp_path, capsys):
    assert main(["detect", server.address("http", "plain"), str(FILES[0]), "-o", str(tmp_path / "out")]) == 0
    assert "triton http" in capsys.readouterr().out


def test_every_field_of_the_configuration_comes_from_the_model(repository):
    text = (repository / "plain" / "config.pbtxt").read_text()
    assert 'backend: "onnxruntime"' in text and "max_batch_size: 8" in text and "dynamic_batching" in text
    assert "dims: [3, " in text and "KIND" not in text and "model_warmup" in text
    fixed = (repository / "left-out" / "config.pbtxt").read_text()
    assert "max_batch_size" not in fixed and fixed.count("optional: true") == 2 and "dims: [-1, 3, " in fixed


def test_a_fixed_batch_has_full_dims(tmp_path):
    flags = ["--end2end", "--batch-size", "2", "-o", str(tmp_path / "m.onnx"), "--no-verify"]
    assert main(["convert", str(SAMPLES / "shapes.cfg"), *flags]) == 0
    written = write_repository(onnx_source(tmp_path / "m.onnx"), TritonSettings("fixed"), tmp_path / "r")
    text = (tmp_path / "r" / "fixed" / "config.pbtxt").read_text()
    assert "max_batch_size" not in text and "dims: [2, 3, " in text and "dynamic_batching" not in text
    assert "fixed at 2" in written.notes[0]


@pytest.mark.parametrize("ending", ["engine", "plan"])
def test_an_engine_is_served_as_a_plan_within_its_profile(ending, tmp_path):
    meta = bundle_meta(layout="separate")
    shapes = tuple((size, 3, 384, 640) for size in (1, 2, 4))
    outputs = [EngineTensor(s.name, "output", s.dtype, (-1, *s.shape[1:])) for s in expected_outputs(meta)]
    tensors = (EngineTensor("images", "input", "float32", (-1, 3, 384, 640), shapes), *outputs)
    path = tmp_path / f"m.{ending}"
    write_manifest(replace(example_manifest(), tensors=tensors, meta=meta), path)
    path.write_bytes(b"plan")
    written = write_repository(engine_source(path), TritonSettings("m"), tmp_path / "r")
    text = (tmp_path / "r" / "m" / "config.pbtxt").read_text()
    assert 'platform: "tensorrt_plan"' in text and "max_batch_size: 4" in text and "backend" not in text
    assert (tmp_path / "r" / "m" / "1" / "model.plan").read_bytes() == b"plan"
    assert written.notes[-1] == "the engine takes at most 4 pictures, so max_batch_size is 4"


@pytest.mark.parametrize("name", ["a/b", "", ".hidden", "a b"])
def test_names_that_no_url_can_hold(name):
    with pytest.raises(InputError, match="--name"):
        TritonSettings(name)


def test_addresses():
    assert parse_address("triton+grpc://h:8001/m/3") == parse_address("triton+grpc:/h:8001/m/3")
    assert parse_address("triton://h:8000/m").protocol == ""
    for text in ("triton://h/m", "triton://h:1", "triton://h:1/m/x"):
        with pytest.raises(InputError, match="no address of a model"):
            parse_address(text)
