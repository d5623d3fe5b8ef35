"""What INT8 costs: the page shows the record, the record holds the targets that the page claims, and its arithmetic is right."""

from __future__ import annotations

import importlib.util
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "int8.md").read_text(encoding="utf-8")


def load():
    spec = importlib.util.spec_from_file_location("int8_summary", ROOT / "benchmarks" / "quantised" / "summary.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


summary = load()
RECORD = summary.read_figures(ROOT / "docs" / "measured" / "int8-accuracy.jsonl")


@pytest.mark.parametrize("model", ["yolov8n", "yolo11n-pose"])
def test_the_page_shows_every_method_resize_head_and_recovery(model):
    lines = summary.grid(RECORD, model)
    assert not any("not run" in line for line in lines)
    assert "\n".join(lines) in PAGE


@pytest.mark.parametrize("recipe", ["default", "mse", "distilled r1"])
def test_the_page_shows_the_models_by_the_best_recipes(recipe):
    lines = summary.rows(one for one in RECORD if one.recipe == recipe)
    assert len(lines) > 2
    assert "\n".join(lines) in PAGE


def test_the_page_shows_what_each_choice_brings():
    assert "\n".join(summary.effects(RECORD, ["yolov8n", "yolo11n-pose"])) in PAGE


def test_the_page_shows_what_recovery_takes_off_the_heads_error():
    lines = summary.heads(RECORD, "distilled r1")
    assert len(lines) == 6
    assert "\n".join(lines) in PAGE


def test_an_effect_is_the_mean_over_pairs_that_differ_in_nothing_else():
    """Ours differ in their last layers by -.01 wherever they are in INT8, and by the method otherwise."""
    recipes = [
        (summary.recipe_of(method, *parts), 0.01 * number, parts)
        for number, method in enumerate(summary.METHODS)
        for parts in PARTS
    ]
    figures = [figure(recipe, -lost - 0.01 * ("head in INT8" in parts)) for recipe, lost, parts in recipes]
    lines = summary.effects(figures, ["m"])
    assert any("last layers" in line and "| +.0100 | +.0100 | 12 of 12 |" in line for line in lines)
    assert any("corrected biases" in line and "| +.0000 | +.0000 | 0 of 12 |" in line for line in lines)
    assert any("`minmax`" in line and "| -.0300 | -.0300 | 0 of 8 |" in line for line in lines)


PARTS = list(product(("", "no recovery"), ("", "other resize"), ("", "head in INT8")))


def figure(recipe, lost):
    return summary.Figures("m", recipe, 0.5, [lost], 0.0, [0.0, 0.0], 0.9 + lost, 0.1)


def runs(recipe, aps, drawn, first=0):
    return [
        {
            "model": "m",
            "recipe": recipe,
            "seed": first + i,
            "ap": ap,
            "agreement": 0.9 + 0.01 * i,
            "nmse": 0.1,
            "drawn": row,
        }
        for i, (ap, row) in enumerate(zip(aps, drawn, strict=True))
    ]


def test_jitters_are_averaged_in_each_draw_and_paired_with_the_float_model():
    exact = np.random.default_rng(0).uniform(0.3, 0.5, 50)
    noise = np.linspace(-0.01, 0.01, 50)
    both = [(exact - 0.02 + noise).tolist(), (exact - 0.04 - noise).tolist()]
    lines = runs("FP32", [0.4], [exact.tolist()]) + runs("default", [0.38, 0.36], both)
    [found] = summary.summarise(lines)
    assert found.lost == [-0.02, -0.04]
    assert found.mean == pytest.approx(-0.03)
    assert found.error == pytest.approx(0, abs=1e-9)  # the two jitters' noise cancels in every draw
    assert found.interval == pytest.approx([-0.03, -0.03])
    assert found.agreement == pytest.approx(0.905)


def test_a_single_jitter_keeps_its_noise():
    exact = np.full(101, 0.4)
    lines = runs("FP32", [0.4], [exact.tolist()]) + runs("mse", [0.39], [(exact + np.linspace(-0.02, 0, 101)).tolist()])
    [found] = summary.summarise(lines)
    assert found.interval == pytest.approx([-0.019, -0.001])
    assert found.error == pytest.approx(np.std(np.linspace(-0.02, 0, 101), ddof=1), abs=1e-5)


def test_a_run_that_was_done_twice_counts_once():
    exact = runs("FP32", [0.4], [[0.4, 0.4]])
    lines = exact + runs("default", [0.3], [[0.3, 0.3]]) + runs("default", [0.39], [[0.39, 0.39]])
    [found] = summary.summarise(lines)
    assert found.lost == [-0.01]


def test_recipes_are_named_by_what_differs_from_the_default():
    assert summary.recipe_of("lp", "", "") == "default"
    assert summary.recipe_of("mse", "no recovery", "") == "mse, no recovery"
    assert summary.recipe_of("lp", "", "other resize") == "other resize"
