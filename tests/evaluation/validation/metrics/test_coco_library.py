"""COCO's figures of boxes of every size against pycocotools on the same files."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import sys

import numpy as np
import pytest

from trtzoo.evaluation.validation.metrics import coco_findings
from trtzoo.evaluation.validation.metrics.coco_library import BOX_LABELS, coco_figures, coco_library
from trtzoo.evaluation.validation.records import prediction_file

RNG = np.random.default_rng(4)


def sides(least: float) -> list[float]:
    """x, y, width, height of a box."""
    return [*RNG.uniform(0, 300, 2).tolist(), *RNG.uniform(least, 200, 2).tolist()]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Annotations and results of 12 pictures, 3 categories, boxes of 8 to 200 pixels; some found beside, some not at all."""
    folder = tmp_path_factory.mktemp("coco")
    annotations, results = [], []
    for image in range(1, 13):
        for _ in range(6):
            box = sides(8)
            number = len(annotations) + 1
            category = int(RNG.integers(1, 4))
            place = {"image_id": image, "category_id": category}
            annotations.append(place | {"id": number, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
            for shift in RNG.uniform(-3, 3, (int(RNG.integers(0, 3)), 4)):
                moved = [max(1.0, float(side + by)) for side, by in zip(box, shift, strict=True)]
                results.append(place | {"bbox": moved, "score": float(RNG.random())})
        extra = sides(40)
        results.append({"image_id": image, "category_id": 2, "bbox": extra, "score": float(RNG.random())})
    pictures = [{"id": image, "width": 640, "height": 640} for image in range(1, 13)]
    document = {
        "images": pictures,
        "annotations": annotations,
        "categories": [{"id": n, "name": str(n)} for n in (1, 2, 3)],
    }
    (folder / "truth.json").write_text(json.dumps(document))
    with prediction_file(folder / "found.json") as records:
        records.write(results)
    return folder / "truth.json", folder / "found.json"


@pytest.mark.parametrize("fallback", [False, True], ids=["faster-coco-eval", "pycocotools"])
@pytest.mark.parametrize("most", [1, coco_findings.MOST], ids=["by category", "all at once"])
def test_boxes_of_every_size_count_as_pycocotools_counts_them(files, fallback, most, monkeypatch):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if fallback:
        monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    monkeypatch.setattr(coco_findings.Findings.groups, "__defaults__", (most,))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(files[0]))
        official = COCOeval(truth, truth.loadRes(str(files[1])), "bbox")
        official.evaluate()
        official.accumulate()
        official.summarize()
    done = coco_figures(coco_library(), *files, "box")
    assert done.figures == pytest.approx(dict(zip(BOX_LABELS, official.stats, strict=True)), abs=1e-9)
    assert all(0.01 < done.figures[name] < 0.99 for name in ("AP", "APs", "APm", "APl"))


def test_pythons_search_for_garbage_goes_on_afterwards(files):
    assert gc.isenabled()
    coco_figures(coco_library(), *files, "box")
    assert gc.isenabled()
