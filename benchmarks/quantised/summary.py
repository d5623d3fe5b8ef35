"""Figures of single runs become figures of recipes, and those become the tables of docs/int8.md.

A run is a line of results.jsonl: model, recipe, seed, ap, agreement, nmse, drawn (the AP of each draw of the bootstrap). Those of
the FP32 model have the recipe "FP32", and the same draws.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

METHODS = ("lp", "mse", "percentile", "minmax", "entropy")
DEFAULT_METHOD, DEFAULT = METHODS[0], "default"


@dataclass(frozen=True)
class Figures:
    """What a recipe costs a model.

    Attributes:
        model: its name, with " masks" where those are judged.
        recipe: in words (`recipes.py`).
        fp32: AP of the float model.
        lost: INT8 - FP32 of each jitter.
        error: standard error of their mean, from the paired bootstrap.
        interval: between these lie nine in ten draws of it.
        agreement: AP with the float model's findings as the truth, the mean of the jitters.
        nmse: error of the heads, likewise.
        machine: where it ran.
    """

    model: str
    recipe: str
    fp32: float
    lost: Sequence[float]
    error: float
    interval: Sequence[float]
    agreement: float
    nmse: float
    machine: str = ""

    @property
    def mean(self) -> float:
        """INT8 - FP32."""
        return float(np.mean(self.lost))


def read_lines(path: Path) -> list[dict]:
    """The lines of a JSONL file, none where it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def summarise(runs: Iterable[dict], machine: str = "") -> list[Figures]:
    """Figures of each model and recipe, in the order of their first runs; the jitters of a draw are averaged before its quantiles."""
    groups: dict[tuple[str, str], dict[int, dict]] = {}
    for run in runs:
        groups.setdefault((run["model"], run["recipe"]), {})[run["seed"]] = run
    return [
        _figures(groups[name, "FP32"][0], [jitters[seed] for seed in sorted(jitters)], machine)
        for (name, recipe), jitters in groups.items()
        if recipe != "FP32"
    ]


def _figures(exact: dict, runs: Sequence[dict], machine: str) -> Figures:
    drawn = np.mean([run["drawn"] for run in runs], axis=0) - exact["drawn"]
    agreement, nmse = (round(float(np.mean([run[key] for run in runs])), 5) for key in ("agreement", "nmse"))
    return Figures(
        runs[0]["model"],
        runs[0]["recipe"],
        round(exact["ap"], 5),
        [round(run["ap"] - exact["ap"], 5) for run in runs],
        round(float(np.std(drawn, ddof=1)), 5),
        [round(float(value), 5) for value in np.percentile(drawn, (5, 95))],
        agreement,
        nmse,
        machine,
    )


def write_figures(figures: Iterable[Figures], path: Path) -> None:
    """A line a recipe."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in figures))


def read_figures(path: Path) -> list[Figures]:
    """What `write_figures` wrote."""
    return [Figures(**line) for line in read_lines(path)]


ROWS = (
    "| model | recipe | jitters | FP32 AP | difference | 90 % interval | over the jitters | agreement | heads' error |",
    "|---|---|---|---|---|---|---|---|---|",
)


def rows(figures: Iterable[Figures]) -> list[str]:
    """A Markdown table, a row a recipe."""
    return [*ROWS, *map(_row, figures)]


def _row(one: Figures) -> str:
    cells = (
        one.model, one.recipe, str(len(one.lost)), _short(one.fp32), _signed(one.mean), _interval(one.interval),
        f"{_signed(min(one.lost))} to {_signed(max(one.lost))}", _short(one.agreement), _short(one.nmse),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


GRID = (
    "| method | biases | pictures | last layers in floats | 90 % interval | agreement | in INT8 | 90 % interval | agreement |",
    "|---|---|---|---|---|---|---|---|---|",
)


def grid(figures: Sequence[Figures], model: str) -> list[str]:
    """A Markdown table of one model: methods x biases x resize down, the head across."""
    found = {one.recipe: one for one in figures if one.model == model}
    lines = list(GRID)
    for method, recovery, resize in itertools.product(METHODS, ("", "no recovery"), ("", "other resize")):
        cells = [method, "as they were" if recovery else "corrected", "stretched" if resize else "letterboxed"]
        for head in ("", "head in INT8"):
            one = found.get(recipe_of(method, recovery, resize, head))
            cells += _cells(one) if one else ["not run", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def recipe_of(method: str, *parts: str) -> str:
    """A recipe in words, without what is the default."""
    changed = [part for part in ("" if method == DEFAULT_METHOD else method, *parts) if part]
    return ", ".join(changed) or DEFAULT


def _cells(one: Figures) -> list[str]:
    jitters = f" ({len(one.lost)})" if len(one.lost) > 1 else ""
    return [_signed(one.mean) + jitters, _interval(one.interval), _short(one.agreement)]


def _interval(interval: Sequence[float]) -> str:
    return " to ".join(map(_signed, interval))


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("0.", ".", 1)


def _short(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1)


FACTORS = {
    "corrected biases instead of those as they were": ("no recovery", ""),
    "letterboxed pictures instead of stretched ones": ("other resize", ""),
    "last layers in floats instead of in INT8": ("head in INT8", ""),
}
GOOD = ("lp", "mse", "percentile")
EFFECTS = (
    "| what changes | model | mean difference | agreement | of so many pairs, agreement rises in |",
    "|---|---|---|---|---|",
)


def effects(figures: Sequence[Figures], models: Sequence[str]) -> list[str]:
    """A Markdown table: what each choice brings, the mean over all pairs of recipes that differ in it alone."""
    lines = list(EFFECTS)
    for (label, (before, after)), model in itertools.product(FACTORS.items(), models):
        others = [("", part) for part in ("no recovery", "other resize", "head in INT8") if part != before]
        rest = itertools.product(GOOD, *others)
        lines.append(
            _effect(figures, label, model, [(_in_order(*one, before), _in_order(*one, after)) for one in rest])
        )
    for method, model in itertools.product(METHODS[1:], models):
        rest = itertools.product(("", "no recovery"), ("", "other resize"), ("", "head in INT8"))
        pairs = [(recipe_of(METHODS[0], *one), recipe_of(method, *one)) for one in rest]
        lines.append(_effect(figures, f"`{method}` instead of `lp`", model, pairs))
    return lines


def _in_order(method: str, *parts: str) -> str:
    """A recipe whose parts stand as in the table."""
    return recipe_of(method, *sorted(parts, key=("no recovery", "other resize", "head in INT8", "").index))


def _effect(figures: Sequence[Figures], label: str, model: str, pairs: Sequence[tuple[str, str]]) -> str:
    found = {one.recipe: one for one in figures if one.model == model}
    lost = [found[after].mean - found[before].mean for before, after in pairs]
    agreement = [found[after].agreement - found[before].agreement for before, after in pairs]
    risen = sum(value > 0 for value in agreement)
    cells = label, model, _signed(float(np.mean(lost))), _signed(float(np.mean(agreement))), f"{risen} of {len(pairs)}"
    return f"| {' | '.join(cells)} |"


HEADS = (
    "| model | biases as they were | corrected | less by | distilled as well | less by |",
    "|---|---|---|---|---|---|",
)


def heads(figures: Sequence[Figures], distilled: str) -> list[str]:
    """A Markdown table: the heads' error by recovery, of the models that were run with and without."""
    found = {(one.model, one.recipe): one.nmse for one in figures}
    lines = list(HEADS)
    for model in dict.fromkeys(one.model for one in figures if one.recipe == "no recovery"):
        before = found[model, "no recovery"]
        cells = [model, _short(before)]
        for recipe in (DEFAULT, distilled):
            error = found.get((model, recipe))
            cells += ["", ""] if error is None else [_short(error), f"{1 - error / before:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
