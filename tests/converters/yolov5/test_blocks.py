"""Module classes, releases and heads of YOLOv5 that no golden case has, against the same computed by torch."""

from __future__ import annotations

import numpy as np
import pytest
from running import run_network

from trtzoo.converters import yolov5
from trtzoo.converters.checkpoint.reader import load_model_record
from trtzoo.converters.network import to_graph
from trtzoo.converters.options import ReadOptions
from trtzoo.errors import ModelError, UnsupportedError

torch = pytest.importorskip("torch", reason="the oracle of these tests is computed by torch")
y5 = pytest.importorskip("yolov5_torch")
models = pytest.importorskip("yolov5_models")
nn = torch.nn

ANCHORS = [[10, 13, 16, 30], [30, 61, 62, 45], [116, 90, 156, 198], [300, 310, 400, 390]]
HEIGHT, WIDTH = 64, 128


def wide(module):
    """The module between two Conv blocks, so that it is tried inside a network."""
    return [(-1, y5.Conv(3, 8, 3, 2)), (-1, module)]


def activated(act):
    return wide(y5.Conv(8, 8, 3, act=act))


BLOCKS = {
    "Conv fused before it was saved": lambda: wide(fused(y5.Conv(8, 8, 3))),
    "Conv with LeakyReLU": lambda: activated(nn.LeakyReLU(0.1)),
    "Conv with ReLU": lambda: activated(nn.ReLU()),
    "Conv with ReLU6": lambda: activated(nn.ReLU6()),
    "Conv with ELU": lambda: activated(nn.ELU(0.7)),
    "Conv with torch's Hardswish": lambda: activated(nn.Hardswish()),
    "Conv with YOLOv5's Hardswish": lambda: activated(y5.Hardswish()),
    "Conv with Mish": lambda: activated(nn.Mish()),
    "Conv with MemoryEfficientMish": lambda: activated(y5.MemoryEfficientMish()),
    "Conv with FReLU": lambda: activated(y5.FReLU(8)),
    "Conv with AconC": lambda: activated(y5.AconC(8)),
    "Conv with MetaAconC": lambda: activated(y5.MetaAconC(8)),
    "Conv without activation": lambda: activated(nn.Identity()),
    "Focus by slices": lambda: [(-1, y5.Focus(3, 8))],
    "Focus by Contract": lambda: [(-1, y5.Focus(3, 8, contract=True))],
    "Contract": lambda: [(-1, y5.Contract(2)), (-1, y5.Conv(12, 8))],
    "Expand": lambda: [(-1, y5.Contract(4)), (-1, y5.Expand(2)), (-1, y5.Conv(12, 8))],
    "BottleneckCSP": lambda: wide(y5.BottleneckCSP(8, 8, 2)),
    "CrossConv": lambda: wide(y5.CrossConv(8, 8)),
    "C3": lambda: wide(y5.C3(8, 8)),
    "C3x": lambda: wide(y5.C3x(8, 8, lambda c: nn.Sequential(y5.CrossConv(c, c)))),
    "C3TR": lambda: wide(y5.C3TR(8, 8, lambda c: y5.TransformerBlock(c, c))),
    "C3SPP": lambda: wide(y5.C3SPP(8, 8, lambda c: y5.SPP(c, c, (3, 5)))),
    "C3Ghost": lambda: wide(y5.C3Ghost(8, 8, lambda c: nn.Sequential(y5.GhostBottleneck(c, c)))),
    "GhostBottleneck of stride 2": lambda: [(-1, y5.GhostBottleneck(3, 8, 2))],
    "SPP 5, 9, 13": lambda: wide(y5.SPP(8, 8)),
    "SPPF": lambda: wide(y5.SPPF(8, 8)),
    "MixConv2d": lambda: wide(y5.MixConv2d(8, 8)),
    "Sum": lambda: [*wide(y5.Conv(8, 8)), ([-1, 0], y5.Sum(2, weight=False))],
    "weighted Sum": lambda: [*wide(y5.Conv(8, 8)), (-1, y5.Conv(8, 8)), ([-1, 0, 1], y5.Sum(3, weight=True))],
    "DWConvTranspose2d": lambda: [*wide(y5.Conv(8, 8, 3, 2)), (-1, y5.DWConvTranspose2d(8, 8, 4, 2, 1, groups=8))],
    "several blocks in one layer": lambda: wide(nn.Sequential(y5.Conv(8, 8), y5.Bottleneck(8, 8))),
}


def fused(conv):
    """The block as YOLOv5's `fuse` leaves it: a biased convolution, no normalisation."""
    conv.conv = nn.Conv2d(8, 8, 3, 1, 1)
    del conv.bn
    return conv


def backbone(levels):
    """Conv blocks that halve the map, and the layers at strides 8, 16, ...."""
    layers = [(-1, y5.Conv(3 if index == 0 else 8, 8, 3, 2)) for index in range(2 + levels)]
    return layers, list(range(2, 2 + levels)), [8 * 2**level for level in range(levels)]


def head_case(levels, make, before=()):
    layers, sources, strides = backbone(levels)
    sources = [source + len(before) for source in sources]
    return [*before, *layers, (sources, make(ANCHORS[:levels], strides, [8] * levels))]


def release_1():
    """Before release 2.0 the head's convolutions were layers of their own."""
    layers, sources, strides = backbone(2)
    convs = [(source, nn.Conv2d(8, 2 * 7, 1)) for source in sources]
    head = models.Detect(2, ANCHORS[:2], strides, [8, 8], buffer=True, convs=False)
    return [*layers, *convs, ([-2, -1], head)]


HEADS = {
    "three levels": lambda: head_case(3, lambda *a: models.Detect(2, *a)),
    "four levels, P6": lambda: head_case(4, lambda *a: models.Detect(2, *a)),
    "anchors as a buffer in pixels": lambda: head_case(3, lambda *a: models.Detect(2, *a, buffer=True)),
    "release 1.0": release_1,
    "an appended NMS": lambda: [*head_case(3, lambda *a: models.Detect(2, *a)), (-1, models.NMS())],
    "segmentation": lambda: head_case(3, lambda *a: models.Segment(2, *a)),
    "keypoints, 5 points": lambda: head_case(3, lambda *a: models.KeypointDetect(5, *a)),
    "keypoints, P6": lambda: head_case(4, lambda *a: models.KeypointDetect(17, *a)),
    "classification": lambda: [(-1, y5.Conv(3, 8, 3, 2)), (-1, models.Classify(8, 5))],
    "classification before 6.2": lambda: [
        (-1, y5.Conv(3, 8, 3, 2)), (-1, y5.Conv(8, 8, 3, 2)), ([0, 1], models.Classify(16, 5, old=True)),
    ],
}  # fmt: skip


def model_of(layers, classes=2):
    return models.randomise(models.Model(layers, [f"thing{number}" for number in range(classes)]), seed=7)


def convert(path, options=None):
    record, checkpoint = load_model_record(path)
    assert yolov5.matches(record)
    return yolov5.read(record, checkpoint, path, options or ReadOptions(img_size=(HEIGHT, WIDTH)))


def expected_heads(model, meta, images):
    """The raw heads as they follow from the oracle's rows or logits."""
    with torch.no_grad():
        outputs = model((images - MEAN) / STD if meta.task == "classify" else images)
    if meta.task == "classify":
        return {"probs": outputs.softmax(dim=1).numpy()}
    rows, protos = outputs if meta.task == "segment" else (outputs, None)
    rows, after = rows.numpy(), 5 + len(meta.names)
    centre, half = rows[..., :2], rows[..., 2:4] / 2
    heads = {
        "boxes": np.concatenate([centre - half, centre + half], axis=-1),
        "scores": rows[..., 4:5] * rows[..., 5:after],
    }
    if meta.task == "pose":
        heads["keypoints"] = rows[..., after:].reshape(*rows.shape[:2], *meta.kpt_shape)
    if protos is not None:
        heads |= {"mask_coeffs": rows[..., after:], "protos": protos.numpy()}
    return heads


MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def check(layers, tmp_path, classes=2, root=""):
    model = model_of(layers, classes)
    models.save(model, tmp_path / "model.pt", root)
    network = convert(tmp_path / "model.pt")
    images = torch.rand((2, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(3))
    actual, expected = (
        run_network(network, images.numpy()),
        expected_heads(model, network.meta, images),
    )
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert values.std() > 1e-4, f"{name} of the oracle says nothing"
        np.testing.assert_allclose(actual[name], values, rtol=1e-4, atol=1e-5 * np.abs(values).max(), err_msg=name)
    return network.meta


@pytest.mark.parametrize("name", BLOCKS)
def test_block(name, tmp_path):
    layers = BLOCKS[name]()
    head = models.Detect(2, ANCHORS[:1], [2], [8])
    check([*layers, ([-1], head)], tmp_path)


@pytest.mark.parametrize("name", HEADS)
def test_head(name, tmp_path):
    classes = 1 if name.startswith("keypoints") else 5 if name.startswith("classification") else 2
    meta = check(HEADS[name](), tmp_path, classes)
    expected = {"keypoints": "pose", "classification": "classify", "segmentation": "segment"}
    assert meta.task == next((task for start, task in expected.items() if name.startswith(start)), "detect")


def test_package_paths_are_the_same_family(tmp_path):
    check(HEADS["three levels"](), tmp_path, root="yolov5.")


def test_names_may_be_a_dict_or_come_from_a_file(tmp_path):
    model = model_of(HEADS["three levels"]())
    model.names = {1: "cat", 0: "dog"}
    models.save(model, tmp_path / "model.pt")
    assert convert(tmp_path / "model.pt").meta.names == ("dog", "cat")
    (tmp_path / "names.txt").write_text("apple\npear\n")
    options = ReadOptions(img_size=(HEIGHT, WIDTH), names=tmp_path / "names.txt")
    assert convert(tmp_path / "model.pt", options).meta.names == ("apple", "pear")


@pytest.mark.parametrize(("trained", "expected"), [([640, 832], 832), (1000, 1024), (1280, 1280), (10**9, 640)])
def test_a_p6_model_takes_the_size_it_was_trained_at(trained, expected, tmp_path):
    models.save(model_of(HEADS["four levels, P6"]()), tmp_path / "model.pt", opt={"img_size": trained})
    assert convert(tmp_path / "model.pt", ReadOptions()).meta.imgsz == (expected, expected)


def test_an_unknown_layer_is_named_with_what_to_do(tmp_path):
    class Swirl(nn.Module):
        def forward(self, x):
            return x

    Swirl.__module__ = y5.__name__
    layers = HEADS["three levels"]()
    models.save(model_of([*layers[:2], (-1, Swirl()), *shifted(layers[2:])]), tmp_path / "model.pt")
    network = convert(tmp_path / "model.pt")
    with pytest.raises(UnsupportedError, match=r"layer model\.2: .*models\.common\.Swirl.*--family torch.*ONNX"):
        to_graph(network, 1, 17)


def shifted(layers):
    return [(source if source == -1 else [index + 1 for index in source], module) for source, module in layers]


def test_an_unknown_head_is_named_with_what_to_do(tmp_path):
    class IDetect(models.Detect):
        pass

    IDetect.__module__ = y5.__name__
    models.save(model_of(head_case(3, lambda *a: IDetect(2, *a))), tmp_path / "model.pt")
    with pytest.raises(UnsupportedError, match=r"layer model\.5, the last: .*IDetect.*ONNX"):
        convert(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nc": 3}, "says 7 values an anchor, but has 3 classes"),
        ({"stride": torch.tensor([8.0, 16.0])}, r"reads 3 levels but has the strides \[8\.0, 16\.0\]"),
        ({"stride": torch.tensor([8.0, 0.0, 32.0])}, "expected a whole number of pixels"),
        ({"stride": "wide"}, "expected numbers"),
        ({"anchors": torch.zeros(5)}, "has 5 anchor values for 3 strides"),
    ],
    ids=["classes", "a stride too few", "no stride", "strides that are no numbers", "anchors"],
)
def test_a_head_that_contradicts_itself_is_refused(change, message, tmp_path):
    model = model_of(HEADS["three levels"]())
    for name, value in change.items():
        setattr(model.model[-1], name, value)
    models.save(model, tmp_path / "model.pt")
    with pytest.raises(ModelError, match=message):
        convert(tmp_path / "model.pt")
