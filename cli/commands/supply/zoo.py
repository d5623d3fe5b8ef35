"""`trtzoo zoo`: many models from one file, and the catalogue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...flags import positive, require
from ...registry import Command

if TYPE_CHECKING:
    from ....zoo.build import Outcome
    from ....zoo.steps import Step
    from ....zoo.store import Store

EXAMPLES = """
  trtzoo zoo build zoo.yaml                       everything that is not up to date
  trtzoo zoo build zoo.yaml --only 'yolov8*' --dry-run
  trtzoo zoo build zoo.yaml --ray auto            on the nodes of a Ray cluster
  trtzoo zoo build --config config.yaml           one engine, from an application's vision.yolo
  trtzoo zoo list --task pose                     official models
  trtzoo zoo schema > zoo.schema.json             for editors
"""

TASKS = ("detect", "pose", "segment", "obb", "classify")
FAMILIES = ("darknet", "yolov5", "yolov5-pose", "yolov7", "yolov9", "ultralytics")
LOCAL = "local"
"""What `--ray` without an address means: a cluster of this machine alone."""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    build = verbs.add_parser("build", help="make what a zoo.yaml asks for", allow_abbrev=False)
    build.add_argument("file", nargs="?", type=Path, metavar="ZOO.yaml", help="models, precisions, targets")
    build.add_argument(
        "--config", type=Path, metavar="FILE", help="an application's config.yaml with vision.yolo instead"
    )
    build.add_argument("--target", metavar="WHAT", help="of --config: tensorrt or tensorrt-rtx (default: tensorrt)")
    build.add_argument("-j", "--jobs", type=positive, metavar="N", help="steps at a time (default: one a processor)")
    build.add_argument(
        "--only", nargs="+", default=[], metavar="PATTERN", help="models or steps: 'yolov8*', '*/fp16-*'"
    )
    build.add_argument("--dry-run", action="store_true", help="say what would be done")
    build.add_argument("--gpu", nargs="+", default=[], metavar="LABEL", help="labels of this machine's GPU in the file")
    build.add_argument("--ray", nargs="?", const=LOCAL, metavar="ADDRESS", help="run the steps on a Ray cluster")
    build.add_argument("--force-download", action="store_true", help="fetch again")
    build.add_argument("--force-convert", action="store_true", help="convert and build again")
    build.add_argument("--force-all", action="store_true", help="do everything again")
    build.add_argument("--download-only", action="store_true", help="fetch the weights and stop")
    build.add_argument("--skip-verify", action="store_true", help="do not let commands check what they wrote")
    build.add_argument("--json", action="store_true", help="print the summary as JSON")
    listing = verbs.add_parser("list", help="official models that can be named", allow_abbrev=False)
    listing.add_argument("--task", choices=TASKS, help="only models of this task")
    listing.add_argument("--family", choices=FAMILIES, help="only this family")
    listing.add_argument("--json", action="store_true", help="print JSON")
    verbs.add_parser("schema", help="print the JSON Schema of zoo.yaml", allow_abbrev=False)


def _run(options: argparse.Namespace) -> int:
    return {"build": _build, "list": _list, "schema": _schema}[options.verb](options)


def _build(options: argparse.Namespace) -> int:
    from .... import console
    from ....zoo.build import chosen, fitting, run_steps

    require(options, bool(options.file) != bool(options.config), "give a ZOO.yaml, or --config FILE")
    require(
        options,
        not options.target or options.config,
        "--target goes with --config; in a zoo.yaml, targets stand in the file",
    )
    require(
        options, not (options.gpu and options.ray), "--gpu is for this machine; with --ray the nodes carry the labels"
    )
    steps, output, store = _steps(options)
    if options.download_only and not steps:
        console.note("nothing to download: every model is a file that is here")
    steps = chosen(steps, options.only)
    with _runner(options, output, store) as runner:
        steps, left_out = fitting(steps, runner.gpus if options.ray else options.gpu)
        for step in left_out:
            console.note(f"{step.id} left out: {_remedy(step.gpu, bool(options.ray))}")
        with console.progress("building") as progress:
            outcomes = run_steps(
                steps, output, runner, options.jobs or runner.workers, _reporter(len(steps), progress),
                options.dry_run, _forced(options), store,
            )  # fmt: skip
    return _tell(outcomes, output, store, options)


def _remedy(gpu: str, ray: bool) -> str:
    """What is missing for a step that needs a GPU of this label, and what to do."""
    if ray:
        return f"no node of the cluster has the resource gpu:{gpu}"
    return f"it needs a GPU {gpu}; say --gpu {gpu} where one is, or use --ray"


def _steps(options: argparse.Namespace) -> tuple[list[Step], Path, Store | None]:
    """The steps that the file asks for, the folder that keeps the records, and what is behind it."""
    from ....zoo.steps import steps_of, unchecked
    from ....zoo.store import place_of

    store = None
    if options.config:
        from ....zoo.single import read_config, single_steps

        base = options.config.resolve().parent
        yolo = read_config(options.config)
        steps = single_steps(yolo, base, options.target or "tensorrt", not options.skip_verify)
        output = (base / yolo.model_path).resolve().parent
    else:
        from ....zoo.manifest import read_zoo

        zoo = read_zoo(options.file)
        base = options.file.resolve().parent
        output, store = place_of(zoo.output, base)
        steps = steps_of(zoo, base, output)
    kept = [step for step in steps if step.kind == "fetch" or not options.download_only]
    return [unchecked(step) for step in kept] if options.skip_verify and options.file else kept, output, store


def _runner(options: argparse.Namespace, output: Path, store: Store | None) -> Any:
    """A context that gives what runs the steps."""
    from ....files import make_folder

    folder = make_folder(output)
    if options.ray is None:
        from ....zoo.runners import LocalRunner

        return nullcontext(LocalRunner(folder, store))
    from ....zoo.cluster import RayRunner

    return RayRunner("" if options.ray == LOCAL else options.ray, folder, store)


def _forced(options: argparse.Namespace) -> set[str]:
    """The kinds of steps that are done again."""
    if options.force_all:
        return {"fetch", "calibrate", "convert", "build", "verify", "val", "bundle"}
    return ({"fetch"} if options.force_download else set()) | ({"convert", "build"} if options.force_convert else set())


def _reporter(total: int, progress: Any) -> Any:
    """Tells of each step as it ends, called from several threads."""
    from .... import console

    ended: list[str] = []

    def report(step: Step, what: str) -> None:
        if what == "start":
            progress(len(ended) / max(total, 1), step.id)
            return
        ended.append(step.id)
        progress(len(ended) / max(total, 1), step.id)
        (console.say if what == "failed" else console.detail)(f"{what}: {step.id}")

    return report


def _tell(outcomes: Sequence[Outcome], output: Path, store: Store | None, options: argparse.Namespace) -> int:
    """The summary, on the terminal and in OUTPUT/zoo.json; the exit code."""
    import json

    from .... import console
    from ....files import write_json
    from ....zoo.summary import counts, rows, to_document

    document = to_document(outcomes, output)
    if not options.dry_run:
        write_json(output / "zoo.json", document)
        if store:
            store.put(output, [Path("zoo.json")])
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        console.table("", ["model", "steps", "seconds"], rows(outcomes))
        print(
            f"{store.url if store else output}: "
            + ", ".join(f"{count} {state}" for state, count in counts(outcomes).items())
        )
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    for outcome in failed:
        console.fault(f"{outcome.step.id}: {outcome.message}")
    if failed:
        skipped = sum(outcome.state == "skipped" for outcome in outcomes)
        rest = f", {skipped} skipped that need them" if skipped else ""
        console.error(f"{len(failed)} of {len(outcomes)} steps failed, see above{rest}; the others are done")
    return 1 if failed else 0


def _list(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from .... import console
    from ....zoo.catalogue import catalogue

    models = [
        model
        for model in catalogue().values()
        if options.task in (None, model.task) and options.family in (None, model.family)
    ]
    if options.json:
        console.document("trtzoo.zoo-list", {"models": [asdict(model) for model in models]})
    else:
        lines = [[model.name, model.family, model.task, model.licence, model.files[0].url] for model in models]
        console.table("", ["name", "family", "task", "licence", "from"], lines)
    return 0


def _schema(options: argparse.Namespace) -> int:
    import json

    from ....zoo.manifest import json_schema

    print(json.dumps(json_schema(), indent=1))
    return 0


COMMAND = Command("zoo", "build many models from one file, and list official ones", EXAMPLES, _add_flags, _run)
