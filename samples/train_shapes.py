"""Train the sample detector `shapes.cfg` on pictures drawn by `draw_shapes.py`, and measure it.

`python samples/train_shapes.py --device cuda` trains, writes DarkNet weights and prints the mAP of what it wrote;
with `--measure` it only measures the weights that are there. Needs torch; the mAP needs pycocotools too.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import math
import time
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from draw_shapes import CLASSES, Picture, coco_labels, numbered_picture
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from torch_darknet import Darknet, Head, read_weights, write_weights

HERE = Path(__file__).parent
TRAINING_SEED, HELD_OUT_SEED = 1, 2  # the pictures shown in the repository have a third one
MATCH_IOU = 0.35  # an anchor learns a box when their sizes overlap this much, or when it fits the box best


def decode(raw: Tensor, head: Head) -> Tensor:
    """Boxes [B, anchors, h, w, 4] as cx, cy, w, h in parts of the picture (DarkNet: get_yolo_box in yolo_layer.c)."""
    height, width = raw.shape[2:4]
    columns = torch.arange(width, device=raw.device)
    rows = torch.arange(height, device=raw.device)[:, None]
    offset = raw[..., :2].sigmoid() * head.scale_x_y - (head.scale_x_y - 1) / 2
    own = head.anchors[head.mask].to(raw.device)[:, None, None]
    x, y = (columns + offset[..., 0]) / width, (rows + offset[..., 1]) / height
    return torch.cat([torch.stack([x, y], -1), raw[..., 2:4].clamp(max=8).exp() * own], -1)


def ciou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and complete IoU [N] of boxes [N, 4] given as cx, cy, w, h (Zheng et al., 2020, arXiv:1911.08287)."""
    low = torch.stack([first[:, :2] - first[:, 2:] / 2, second[:, :2] - second[:, 2:] / 2])
    high = torch.stack([first[:, :2] + first[:, 2:] / 2, second[:, :2] + second[:, 2:] / 2])
    overlap = (high.amin(0) - low.amax(0)).clamp(min=0).prod(1)
    iou = overlap / (first[:, 2:].prod(1) + second[:, 2:].prod(1) - overlap)
    distance = (first[:, :2] - second[:, :2]).square().sum(1) / (high.amax(0) - low.amin(0)).square().sum(1)
    angles = torch.atan2(first[:, 2], first[:, 3]) - torch.atan2(second[:, 2], second[:, 3])
    aspect = 4 / math.pi**2 * angles.square()
    weight = (aspect / (1 - iou + aspect + 1e-7)).detach()
    return iou, iou - distance - weight * aspect


def yolo_loss(raw: Tensor, head: Head, targets: Tensor) -> Tensor:
    """The loss of one head, a mean over pictures: complete IoU, objectness (its target is the IoU) and classes.

    `targets` [N, 6] holds the picture in the batch, the class and the box as cx, cy, w, h in parts of the picture.
    """
    batch, _, height, width, _ = raw.shape
    picture, label, box = targets[:, 0].long(), targets[:, 1].long(), targets[:, 2:]
    anchors = head.anchors.to(raw.device)
    common = torch.minimum(box[:, None, 2:], anchors).prod(-1)
    fit = common / (box[:, None, 2:].prod(-1) + anchors.prod(-1) - common)
    matched = (fit > MATCH_IOU) | (fit == fit.amax(1, keepdim=True))
    which, anchor = matched[:, head.mask].nonzero(as_tuple=True)
    column = (box[which, 0] * width).long().clamp(max=width - 1)
    row = (box[which, 1] * height).long().clamp(max=height - 1)
    cell = picture[which], anchor, row, column
    iou, complete_iou = ciou(decode(raw, head)[cell], box[which])
    objectness = torch.zeros_like(raw[..., 4])
    objectness[cell] = iou.detach().clamp(min=0)
    classes = functional.one_hot(label[which], len(CLASSES)).to(raw.dtype)
    box_loss = (1 - complete_iou).sum()
    objectness_loss = functional.binary_cross_entropy_with_logits(raw[..., 4], objectness, reduction="sum")
    class_loss = functional.binary_cross_entropy_with_logits(raw[cell][:, 5:], classes, reduction="sum")
    return (2 * box_loss + objectness_loss + class_loss) / batch


def network_input(picture: Picture, size: tuple[int, int]) -> Tensor:
    """DarkNet's preprocessing: the picture is stretched to the input, [3, H, W], RGB, uint8."""
    return torch.from_numpy(cv2.resize(picture, size)[..., ::-1].transpose(2, 0, 1).copy())


class DrawnPictures(Dataset[tuple[Tensor, Tensor]]):
    """Pictures drawn on demand: the same index gives the same picture, and none is used twice."""

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        cv2.setNumThreads(1)
        picture, boxes, classes = numbered_picture(TRAINING_SEED, index)
        height, width = picture.shape[:2]
        corners = boxes / np.array([width, height, width, height], np.float32)
        centred = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
        targets = np.concatenate([np.zeros((len(boxes), 1)), classes[:, None], centred], 1)
        return network_input(picture, self.size), torch.from_numpy(targets.astype(np.float32))


def collate(samples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack pictures [B, 3, H, W] and join their targets [N, 6], each with the number of its picture."""
    for number, (_, targets) in enumerate(samples):
        targets[:, 0] = number
    return torch.stack([picture for picture, _ in samples]), torch.cat([targets for _, targets in samples])


def train(cfg: Path, steps: int, batch: int, workers: int, device: str) -> Darknet:
    """Train from scratch; returns the running average of the weights."""
    torch.manual_seed(0)
    network = Darknet(cfg).to(device)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.05)
    pictures = DrawnPictures(steps * batch, network.size)
    loader = DataLoader(pictures, batch, num_workers=workers, collate_fn=collate)
    started = time.monotonic()
    for step, (images, targets) in enumerate(loader, start=1):
        raw = network(images.to(device).float() / 255)
        on_device = targets.to(device)
        loss = sum((yolo_loss(r, h, on_device) for r, h in zip(raw, network.heads, strict=True)), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if step % 100 == 0 or step == steps:
            print(f"step {step}/{steps}  loss {loss.item():.3f}  {time.monotonic() - started:.0f} s", flush=True)
    return cast(Darknet, average.module)


@torch.no_grad()
def detect(network: Darknet, picture: Picture, conf: float, iou: float = 0.45) -> list[tuple[int, float, list[float]]]:
    """Detections of a picture as (class, score, [x, y, width, height] in its pixels), after NMS class by class."""
    raw = network(network_input(picture, network.size)[None].float() / 255)
    boxes = torch.cat([decode(r, h).reshape(-1, 4) for r, h in zip(raw, network.heads, strict=True)]).numpy()
    confidence = torch.cat([r.reshape(-1, r.shape[-1])[:, 4:] for r in raw]).sigmoid().numpy()
    scores = confidence[:, :1] * confidence[:, 1:]  # objectness times class
    height, width = picture.shape[:2]
    boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], 1) * (width, height, width, height)
    anchor, label = np.nonzero(scores > conf)
    score = scores[anchor, label]
    kept = cv2.dnn.NMSBoxesBatched(boxes[anchor].tolist(), score.tolist(), label.tolist(), conf, iou)
    return [(int(label[i]), float(score[i]), boxes[anchor[i]].tolist()) for i in kept]


def measure(network: Darknet, count: int) -> tuple[float, float]:
    """COCO's mAP at IoU 0.5 and over 0.5:0.95 on `count` held-out pictures (detections from score 0.005 on)."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    network.eval()
    labelled, results = [], []
    for number in range(1, count + 1):
        picture, boxes, classes = numbered_picture(HELD_OUT_SEED, number)
        labelled.append((str(number), picture, boxes, classes))
        for label, score, box in detect(network, picture, 0.005):
            results.append({"image_id": number, "category_id": label + 1, "bbox": box, "score": score})
    truth: Any = COCO()
    truth.dataset = coco_labels(labelled)
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1]), float(evaluation.stats[0])


def main() -> None:
    parser = argparse.ArgumentParser(description="train the sample detector on drawn pictures, and measure it")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--steps", type=int, default=3100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    parser.add_argument("--out", type=Path, default=HERE / "shapes.weights")
    parser.add_argument("--measure", action="store_true", help="measure the weights of --out instead of training")
    parser.add_argument("--held-out", type=int, default=500, help="how many pictures to measure on; 0: do not")
    options = parser.parse_args()
    if not options.measure:
        trained = train(HERE / "shapes.cfg", options.steps, options.batch, options.workers, options.device)
        write_weights(trained, options.out, options.steps * options.batch)
    if options.held_out and importlib.util.find_spec("pycocotools") is None:
        print("not measured: pycocotools is not installed")
    elif options.held_out:
        network = Darknet(HERE / "shapes.cfg")
        read_weights(network, options.out)
        at_50, at_50_95 = measure(network, options.held_out)
        print(f"{options.held_out} held-out pictures: mAP@0.5 {at_50:.3f}, mAP@0.5:0.95 {at_50_95:.3f}")


if __name__ == "__main__":
    main()
