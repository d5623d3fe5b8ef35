"""COCO's records of labels and findings, written one after the other so that memory does not grow with the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...data.datasets.truth import Dataset, Sample, Truth
from ...engines.pictures.detections import Detections, corners
from ...files import atomic_write
from ...graph.weights import Array


class JsonList:
    """A JSON list in a file, a record a line."""

    def __init__(self, stream: BinaryIO) -> None:
        import msgspec

        self._stream, self.count = stream, 0
        self._lines = msgspec.json.Encoder().encode_lines

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add some records; all at once, for a picture has hundreds."""
        rows = list(records)
        if rows:
            lines = self._lines(rows).rstrip(b"\n").replace(b"\n", b",\n")  # a line break inside of a text is escaped
            self._stream.write((b",\n" if self.count else b"[\n") + lines)
            self.count += len(rows)

    def end(self) -> None:
        self._stream.write(b"\n]" if self.count else b"[]")


@contextmanager
def prediction_file(path: Path) -> Iterator[JsonList]:
    """COCO results: whole JSON when the block ends, also where it is interrupted.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as stream:
        documents = JsonList(stream)
        yield documents
        documents.end()


def finding_records(
    sample: Sample, found: Detections, category: Sequence[int], masks: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    """COCO's records of what was found on a picture.

    Args:
        sample: the picture.
        found: on it.
        category: COCO number of each.
        masks: run lengths of each, or none.
    """
    scores, boxes = np.round(found.scores.astype(float), 6).tolist(), found.boxes.astype(float)
    if found.oriented:
        outlines = np.round(corners(boxes).reshape(len(found), 8), 3).tolist()
        plain = [
            {"rbox": box, "poly": outline} for box, outline in zip(np.round(boxes, 4).tolist(), outlines, strict=True)
        ]
    else:
        sides = np.round(np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]), 3).tolist()
        plain = [{"bbox": box} for box in sides]
    for row, (place, score) in enumerate(zip(plain, scores, strict=True)):
        record = {"image_id": sample.id, "category_id": category[row], **place, "score": score}
        if found.keypoints is not None:
            record["keypoints"] = _points(found.keypoints[row], found.size)
        if masks:
            record["segmentation"] = masks[row]
        yield record


def _points(points: Array, size: tuple[int, int]) -> list[float]:
    """x, y, 1 of each point: COCO's rule counts all alike."""
    places = np.clip(points[:, :2].astype(float), 0, np.array(size[::-1], float))
    values: list[float] = np.round(np.column_stack([places, np.ones(len(places))]).reshape(-1), 3).tolist()
    return values


class TruthRecords:
    """COCO annotations of the pictures that were looked at.

    Args:
        dataset: whose classes they are.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    @property
    def objects(self) -> int:
        """How many were labelled so far."""
        return len(self._annotations)

    def add(self, sample: Sample, size: tuple[int, int], truth: Truth) -> None:
        """Take up the labels of one picture."""
        height, width = size
        self._images.append({"id": sample.id, "file_name": sample.path.name, "height": height, "width": width})
        for row in range(len(truth)):
            self._annotations.append(self._annotation(sample.id, truth, row))

    def _annotation(self, image: int, truth: Truth, row: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "id": len(self._annotations) + 1,
            "image_id": image,
            "category_id": self._dataset.categories[int(truth.classes[row])],
            "area": float(truth.areas[row]),
            "iscrowd": int(truth.crowd[row]),
        }
        box = truth.boxes[row]
        if len(box) == 5:
            return record | {"rbox": box.tolist(), "poly": corners(box[None])[0].reshape(-1).tolist()}
        record["bbox"] = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
        if truth.keypoints is not None:
            points = truth.keypoints[row]
            record |= {"keypoints": points.reshape(-1).tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
        if truth.masks is not None and truth.masks[row]:
            record["segmentation"] = truth.masks[row]
        return record

    def write(self, path: Path) -> None:
        """Write COCO's file of annotations.

        Raises:
            InputError: the file cannot be written.
        """
        import msgspec

        with atomic_write(path) as stream:
            stream.write(msgspec.json.encode(self._document()))

    def _document(self) -> dict[str, Any]:
        pairs = zip(self._dataset.categories, self._dataset.names, strict=True)
        categories = [{"id": number, "name": name} for number, name in pairs]
        return {"images": self._images, "annotations": self._annotations, "categories": categories}
