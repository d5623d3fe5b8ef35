"""OpenCV's DarkNet importer as a second oracle, on cfgs made up here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from darknet_files import write_model
from running import run_network

from trtzoo import ReadOptions
from trtzoo.converters import read_network

pytestmark = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV (5 or later) has no DarkNet importer"
)

NET = "[net]\nwidth={width}\nheight={height}\nchannels=3\n"
CONV = "[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\nactivation={activation}\n{more}\n"
HEAD = "[convolutional]\nfilters=21\nsize=1\nactivation=linear\n[yolo]\nmask=0,1,2\nanchors=10,14,23,27,37,58\nclasses=2\nnum=3\n"
REGION = "[convolutional]\nfilters=14\nsize=1\nactivation=linear\n[region]\nanchors=0.6,0.7,1.8,2.1\nclasses=2\nnum=2\nsoftmax=1\n"


def conv(filters=8, size=3, stride=1, activation="leaky", more=""):
    return CONV.format(filters=filters, size=size, stride=stride, activation=activation, more=more)


def layer(name, **options):
    return f"[{name}]\n" + "".join(f"{key.rstrip('_')}={value}\n" for key, value in options.items())


BODIES = {
    "one convolution": conv(stride=2) + HEAD,
    "groups": conv(stride=2) + conv(16, more="groups=4") + HEAD,
    "depthwise": conv(stride=2) + conv(8, more="groups=8") + HEAD,
    "mish": conv(stride=2, activation="mish") + HEAD,
    "swish": conv(stride=2, activation="swish") + HEAD,
    "logistic": conv(stride=2, activation="logistic") + HEAD,
    "max pool 2/2": conv() + layer("maxpool", size=2, stride=2) + HEAD,
    "max pool 2/1": conv(stride=2) + layer("maxpool", size=2, stride=1) + HEAD,
    "max pool 5/1": conv(stride=2) + layer("maxpool", size=5, stride=1) + HEAD,
    "upsample and route": conv(stride=2)
    + conv(stride=2)
    + layer("upsample", stride=2)
    + layer("route", layers="-1,0")
    + HEAD,
    "route of a half": conv(stride=2) + layer("route", layers=-1, groups=2, group_id=1) + conv() + HEAD,
    "shortcut": conv(stride=2) + conv() + conv() + layer("shortcut", from_=-3, activation="linear") + HEAD,
    "reorg": conv(stride=2) + conv(8) + layer("reorg", stride=2) + HEAD,
    "scale_x_y": conv(stride=2) + HEAD + "scale_x_y=1.2\n",
    "region": conv(stride=2) + REGION,
    "two heads": conv(stride=2) + HEAD + layer("route", layers=0) + conv(stride=2) + HEAD,
}


def opencv_rows(cfg, images: np.ndarray) -> np.ndarray:
    """OpenCV's rows cx, cy, w, h (relative), objectness, obj * class, all heads joined; its threshold on scores lifted."""
    text = (
        cfg.read_text()
        .replace("[yolo]\n", "[yolo]\nthresh=0.0001\n")
        .replace("[region]\n", "[region]\nthresh=0.0001\n")
    )
    weights = np.fromfile(cfg.with_suffix(".weights"), np.uint8)
    net = cv2.dnn.readNetFromDarknet(np.frombuffer(text.encode(), np.uint8), weights)
    net.setInput(images)
    return np.concatenate(net.forward(net.getUnconnectedOutLayersNames()))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 64)])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_heads_equal_opencvs(body, height, width, tmp_path):
    cfg = write_model(tmp_path, NET.format(height=height, width=width) + body, seed=3)
    images = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    heads = run_network(read_network(cfg, ReadOptions()), images)
    rows = opencv_rows(cfg, images)

    boxes, scores = heads["boxes"][0], heads["scores"][0]
    anchors = 2 if "region" in body else 3
    ours = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2], scores], axis=1)
    ours[:, :4] /= [width, height, width, height]
    ours = np.concatenate([by_cell(part, anchors) for part in np.split(ours, head_ends(body, height, width, anchors))])
    np.testing.assert_allclose(ours[:, :4], rows[:, :4], atol=2e-5, rtol=1e-4)
    shown = rows[:, 5:] > 0
    np.testing.assert_allclose(ours[:, 4:][shown], rows[:, 5:][shown], atol=2e-5, rtol=1e-4)
    assert shown.mean() > 0.5


def by_cell(rows: np.ndarray, anchors: int) -> np.ndarray:
    """Ours are anchor, y, x; OpenCV's are y, x, anchor."""
    return rows.reshape(anchors, -1, rows.shape[1]).swapaxes(0, 1).reshape(rows.shape)


def head_ends(body: str, height: int, width: int, anchors: int) -> list[int]:
    """Where the second head begins."""
    return [anchors * (height // 2) * (width // 2)] if body.count("[yolo]") > 1 else []
