"""A results file read a few categories at a time."""

from __future__ import annotations

import json

import pytest

from trtzoo.evaluation.validation.metrics import coco_findings
from trtzoo.evaluation.validation.metrics.coco_findings import Findings
from trtzoo.evaluation.validation.records import prediction_file

COUNTS = {7: 5, 1: 2, 3: 3, 9: 1}
RECORDS = [
    {"image_id": number, "category_id": category, "score": 0.5, "text": '[{,\n"category_id":8'}
    for category, count in COUNTS.items()
    for number in range(count)
]


@pytest.fixture
def path(tmp_path):
    with prediction_file(tmp_path / "found.json") as records:
        records.write(RECORDS[:4])
        records.write([])
        records.write(iter(RECORDS[4:]))
    return tmp_path / "found.json"


@pytest.mark.parametrize("part", [7, 2**24])
def test_records_of_some_categories(path, part, monkeypatch):
    monkeypatch.setattr(coco_findings, "PART", part)
    with Findings(path) as findings:
        assert len(findings) == len(RECORDS)
        assert findings.of([7, 9]) == [record for record in RECORDS if record["category_id"] in (7, 9)]
        assert findings.of([2]) == []


@pytest.mark.parametrize(
    ("most", "expected"),
    [(100, [[7, 3, 1, 9, 2, 4]]), (5, [[7], [3, 1], [9, 2, 4]]), (1, [[7], [3], [1], [9, 2, 4]])],
)
def test_a_group_has_at_most_so_many_findings_or_one_category(path, most, expected):
    with Findings(path) as findings:
        assert findings.groups([1, 2, 3, 4, 7, 9], most) == expected


def test_the_file_is_the_json_list_of_its_records(path):
    assert json.loads(path.read_text()) == RECORDS
    assert path.read_text().count("\n") == len(RECORDS) + 1


def test_a_file_without_findings(tmp_path):
    with prediction_file(tmp_path / "none.json"):
        pass
    with Findings(tmp_path / "none.json") as findings:
        assert len(findings) == 0
