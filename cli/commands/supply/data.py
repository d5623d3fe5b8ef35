"""`trtzoo data`: labelled pictures brought into order."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...flags import positive
from ...registry import Command

if TYPE_CHECKING:
    from ....data.check import Checked

EXAMPLES = """
  trtzoo data json2yolo annotations/ -o labels/               one JSON file a picture, or one COCO JSON
  trtzoo data split images/ -o . --split 0.7 0.2 0.1          train.txt, val.txt, test.txt
  trtzoo data check data.yaml --task pose                     bad labels, missing pictures, leaks
  trtzoo data visualize data.yaml --task pose -o drawn/       some pictures with their labels
"""

TASKS = ("detect", "pose", "segment", "obb")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    convert = verbs.add_parser("json2yolo", help="COCO or LabelMe JSON to YOLO's text labels", allow_abbrev=False)
    convert.add_argument("source", type=Path, metavar="JSON", help="a COCO file, or a folder with one file a picture")
    convert.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the labels")
    convert.add_argument("--task", choices=TASKS[:3], help="kind of labels (default: pose with keypoints, else detect)")
    convert.add_argument(
        "--names", type=Path, metavar="FILE", help="classes to keep, one a line, in order (default: all)"
    )
    split = verbs.add_parser("split", help="divide pictures into parts", allow_abbrev=False)
    split.add_argument("images", type=Path, metavar="DIR", help="folder of the pictures")
    split.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the lists")
    split.add_argument(
        "--split", type=float, nargs="+", default=[0.7, 0.2, 0.1], metavar="X", help="shares of train, val (and test)"
    )
    split.add_argument("--seed", type=int, default=0, metavar="N", help="of the order (default: 0)")
    split.add_argument(
        "--prefix", metavar="TEXT", help="before each path (default: the way from the lists to DIR, such as ./images/)"
    )
    check = verbs.add_parser("check", help="find what is wrong with a dataset", allow_abbrev=False)
    check.add_argument("data", type=Path, metavar="DATA.yaml")
    check.add_argument("--task", choices=TASKS, default="detect", help="what a line of labels means (default: detect)")
    check.add_argument("--histogram", type=Path, metavar="PNG", help="draw how many objects each class has")
    check.add_argument("--json", action="store_true", help="print JSON")
    show = verbs.add_parser("visualize", help="draw labels onto pictures chosen at random", allow_abbrev=False)
    show.add_argument("data", type=Path, metavar="DATA", help="a data yaml, a COCO JSON, or a folder of JSON files")
    show.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the drawings")
    show.add_argument("--task", choices=TASKS, default="detect", help="what a line of labels means (default: detect)")
    show.add_argument("--part", default="train", metavar="NAME", help="of a data yaml (default: train)")
    show.add_argument("--images", type=Path, metavar="DIR", help="folder of the pictures, for JSON that lies elsewhere")
    show.add_argument("--num", type=positive, default=5, metavar="N", help="how many (default: 5)")
    show.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice (default: 0)")


def _run(options: argparse.Namespace) -> int:
    return {"json2yolo": _json2yolo, "split": _split, "check": _check, "visualize": _visualize}[options.verb](options)


def _json2yolo(options: argparse.Namespace) -> int:
    from .... import console
    from ....data.json2yolo import json_to_yolo
    from ....files import require_file

    text = (
        require_file(options.names, "class names, one a line").read_text(encoding="utf-8-sig") if options.names else ""
    )
    names = tuple(line.strip() for line in text.splitlines() if line.strip()) or None
    done = json_to_yolo(options.source, options.output, options.task, names)
    for note in done.notes:
        console.note(note)
    shape = f", kpt_shape {list(done.kpt_shape)}" if done.kpt_shape else ""
    print(f"{done.folder}: {done.files} files, {done.objects} objects of {len(done.names)} classes{shape}")
    return 0


def _split(options: argparse.Namespace) -> int:
    from ....data.split import split_pictures

    parts = split_pictures(options.images, options.output, options.split, options.seed, options.prefix)
    print(f"{options.output}: " + ", ".join(f"{name}.txt {count}" for name, count in parts.items()))
    return 0


def _check(options: argparse.Namespace) -> int:
    import json

    from .... import console
    from ....data.check import check_dataset, draw_histogram

    with console.progress("checking") as report:
        checked = check_dataset(options.data, options.task, report=report)
    if options.histogram:
        draw_histogram(checked, options.histogram)
    if options.json:
        print(json.dumps(_document(checked), indent=1, ensure_ascii=False))
    else:
        for problem in checked.problems:
            print(f"{problem.kind}: {problem.text}")
        pictures = ", ".join(f"{name} {count}" for name, count in checked.pictures.items())
        print(
            f"{options.data}: {pictures}; {sum(checked.objects.values())} objects, {checked.background} pictures without any"
        )
    if checked.problems:
        console.error(f"{len(checked.problems)} problems in {options.data}, see above; mend them before training")
    return 1 if checked.problems else 0


def _document(checked: Checked) -> dict[str, object]:
    return {
        "schema": 1,
        "pictures": checked.pictures,
        "background": checked.background,
        "objects": {name: checked.objects[number] for number, name in enumerate(checked.names)},
        "problems": [{"kind": problem.kind, "text": problem.text} for problem in checked.problems],
    }


def _visualize(options: argparse.Namespace) -> int:
    from ....data.datasets.load import load_dataset
    from ....data.visualize import draw_labels

    dataset = load_dataset(options.data, options.task, options.images, options.part)
    files = draw_labels(dataset, options.output, options.num, options.seed)
    print(f"{options.output}: {len(files)} of {len(dataset.samples)} pictures with their labels")
    return 0


COMMAND = Command("data", "convert, split, check and draw labelled pictures", EXAMPLES, _add_flags, _run)
