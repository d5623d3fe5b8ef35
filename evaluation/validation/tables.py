"""What `val` measured as tables."""

from __future__ import annotations

from collections.abc import Sequence

from ..tables import Table
from .results import Comparison, ModelResults, ValResults


def models_table(done: ValResults) -> Table:
    """A row for each metric of each model."""
    columns = ["model", "runtime", "precision", "NMS", "metric", "mAP50-95", "mAP50", "COCO AP", "P", "R"]
    columns += ["ms pre / net / post"]
    if done.models and done.models[0].accuracy:
        columns[4:10] = ["top-1", "top-5"]
    return Table("", columns, [row for model in done.models for row in _rows(model)])


def _rows(model: ModelResults) -> list[list[str]]:
    facts, speed = model.model, model.speed
    first = [facts.label, facts.runtime, facts.precision, facts.nms]
    last = [f"{speed.preprocess:.1f} / {speed.inference:.1f} / {speed.postprocess:.1f}"]
    if model.accuracy:
        return [[*first, _share(model.accuracy.top1), _share(model.accuracy.top5), *last]]
    rows = []
    for metric, one in model.metrics.items():
        ours = _shares((one.map, one.map50))
        official = "" if one.coco.get("AP") is None else _share(one.coco["AP"])
        rows.append([*first, metric, *ours, official, *_shares((one.precision, one.recall)), *last])
        if one.dota is not None:
            rows.append([*first, "box, DOTA", "", _share(one.dota), "", "", "", *last])
    return rows


def classes_table(model: ModelResults) -> Table:
    """A row for each class that is labelled."""
    metrics = list(model.metrics)
    columns = ["class", "objects", *(f"{metric} {name}" for metric in metrics for name in ("mAP50-95", "mAP50"))]
    rows = [
        [one.name, str(one.objects), *(_share(table[metric]) for metric in metrics for table in (one.map, one.map50))]
        for one in model.classes
    ]
    return Table(model.model.label, columns, rows)


def comparisons_table(done: ValResults) -> Table | None:
    """A row for each difference from the first model; None where there is but one model."""
    if not done.comparisons:
        return None
    rows = [
        [
            one.model,
            one.metric,
            f"{one.difference:+.4f}",
            f"{one.low:+.4f} .. {one.high:+.4f}",
            verdict(one, done.data.pictures),
        ]
        for one in done.comparisons
    ]
    first = done.comparisons[0]
    return Table(f"against {first.against}", ["model", "metric", "difference", f"{first.level:.0%} interval", ""], rows)


def verdict(one: Comparison, pictures: int) -> str:
    """A difference in words."""
    if one.difference == one.low == one.high == 0:
        return "the same"
    if one.low > 0 or one.high < 0:
        return "better" if one.low > 0 else "worse"
    return f"not resolved by {pictures} picture{'s' if pictures != 1 else ''}"


def _shares(values: Sequence[float]) -> list[str]:
    return [_share(value) for value in values]


def _share(value: float) -> str:
    return f"{value:.4f}"
