"""The page in Chromium: nothing is asked for, nothing goes wrong, nothing sticks out."""

from __future__ import annotations

import os
import shutil

import cv2
import pytest
from colour_network import colour_network, picture_with, write
from report_results import bench_results, val_results, verify_results

from trtzoo.cli import main
from trtzoo.evaluation.results_file import write_results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with everything that a page can have."""
    root = tmp_path_factory.mktemp("page")
    write_results(root / "val.json", "trtzoo.val", val_results())
    write_results(root / "bench.json", "trtzoo.bench", bench_results())
    write_results(root / "verify.json", "trtzoo.verify", verify_results())
    model = write(root, colour_network(), batch=None)
    cv2.imwrite(str(root / "squares.png"), picture_with([(0, 1), (3, 2)]))
    arguments = [str(root), str(model), "--source", str(root / "squares.png"), "-o", str(root / "page.html")]
    assert main(["report", *arguments]) == 0
    assert (root / "page.html").stat().st_size < 1_000_000
    return (root / "page.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(params=[("light", 1100), ("dark", 1100), ("light", 390), ("dark", 390)], ids=str)
def opened(request, browser, address):
    """The page, what it asked for, what it said, and how it is shown."""
    scheme, width = request.param
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: said.append(one.text))
    page.on("pageerror", lambda one: said.append(str(one)))
    page.goto(address)
    yield page, asked, said, scheme, width
    context.close()


def test_nothing_is_asked_for_and_nothing_goes_wrong(opened, address):
    _, asked, said, _, _ = opened
    assert [one for one in asked if not one.startswith("data:")] == [address]
    assert said == []


def test_nothing_sticks_out(opened):
    page, _, _, _, width = opened
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    inside = "[...document.querySelectorAll('svg')].every(one => one.getBoundingClientRect().right <= innerWidth)"
    assert page.evaluate(inside)


def test_everything_is_there_to_be_seen(opened):
    page = opened[0]
    for name in ("models", "verified", "accuracy", "speed", "pictures", "commands"):
        assert page.locator(f"section#{name} h2").is_visible()
    charts = page.locator(".chart svg:visible")
    assert charts.count() == 3
    assert charts.evaluate_all("all => all.every(one => one.classList.contains(innerWidth > 640 ? 'wide' : 'narrow'))")
    assert page.locator("img").evaluate_all("all => all.map(one => one.naturalWidth > 0)") == [True, True]


def test_texts_of_charts_have_the_colour_of_the_page(opened):
    page, _, _, scheme, _ = opened
    ink = page.evaluate("getComputedStyle(document.body).color")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    fills = page.locator(".chart svg text").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    assert set(fills) == {ink}
    light = [sum(map(int, colour[4:-1].split(", "))) for colour in (ink, paper)]
    assert (light[0] < light[1]) == (scheme == "light")


def test_the_slider_moves_the_cut(opened):
    page, _, _, _, _ = opened
    upper = page.locator(".stack img").nth(1)
    cut = "one => getComputedStyle(one).clipPath"
    before = upper.evaluate(cut)
    page.locator(".compare input").fill("80")
    assert "50%" in before
    assert "80%" in upper.evaluate(cut)
