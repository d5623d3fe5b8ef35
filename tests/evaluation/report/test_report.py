"""`report`: results files and models become one page."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import cv2
import numpy as np
import pytest
from colour_network import colour_network, picture_with, write
from report_results import EVIL, FIRST, SECOND, bench_results, val_results, verify_results

from trtzoo.cli import main
from trtzoo.errors import InputError
from trtzoo.evaluation.report.gather import Gathered, read_results
from trtzoo.evaluation.report.look import SIDE, weight_bytes
from trtzoo.evaluation.report.page import make_page
from trtzoo.evaluation.report.results import SCHEMA, ReportResults
from trtzoo.evaluation.results_file import as_results, read_document, write_results


@pytest.fixture(scope="module")
def page():
    return make_page(Gathered((val_results(), bench_results())))


def test_text_of_others_is_never_markup(page):
    assert EVIL not in page
    assert "&lt;script&gt;alert(&#34;class&#34;)&lt;/script&gt;" in page
    assert len(re.findall("<script", page)) == 1


def test_figures_of_the_files_stand_in_the_page(page):
    for text in ("0.4322", "-0.0021", "-0.0034 .. -0.0008", "worse", "0.500 (0.480..0.520)", "5.00", "H100"):
        assert text in page, text
    assert page.count("<pre>trtzoo val a b</pre>") == page.count("<pre>trtzoo bench a b</pre>") == 1


@pytest.mark.parametrize(("passed", "tile"), [(True, "<b>the same</b>"), (False, "<b>not the same</b>")])
def test_what_was_verified_says_whether_it_passed(passed, tile):
    page = make_page(Gathered((verify_results(passed),)))
    assert tile in page
    assert "0.9999983" in page
    assert ("network: boxes are off by up to 1.47" in page) == (not passed)
    assert f"{FIRST.label}, yolov8n &amp; half.onnx" in page


def test_a_model_that_two_machines_measured_is_listed_once():
    two = Gathered((val_results(), bench_results(), bench_results()))
    assert [one.label for one in two.models()] == [FIRST.label, SECOND.label]


def test_charts_have_names_of_their_own_and_take_the_pages_ink(page):
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 6
    names = [name for chart in charts for name in re.findall(r'\bid="([^"]+)"', chart)]
    assert len(names) == len(set(names))
    for chart in charts:
        assert "currentColor" in chart and "#010203" not in chart and "#000000" not in chart
        used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', chart)
        assert {one or other for one, other in used} <= set(names)
        ElementTree.fromstring(chart.replace("<svg", '<svg xmlns:xlink="http://www.w3.org/1999/xlink"', 1))


def test_files_folders_and_an_earlier_page_are_read_in_their_order(tmp_path):
    (tmp_path / "val").mkdir()
    write_results(tmp_path / "val" / "val.json", "trtzoo.val", val_results())
    (tmp_path / "val" / "ground_truth.json").write_text("[]")
    write_results(tmp_path / "other.json", "trtzoo.bench", bench_results())
    assert read_results([tmp_path / "other.json", tmp_path / "val"]) == [bench_results(), val_results()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', "no results file of trtzoo"),
        ('{"schema": "trtzoo.val", "version": 9}', "upgrade trtzoo"),
        ('{"schema": "trtzoo.zoo", "version": 1}', "trtzoo.zoo, which a page does not show"),
        ('{"schema": "trtzoo.val", "version": 1}', "make it again"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_what_is_no_results_file_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_results([tmp_path / "a.json"])


def test_a_folder_without_results_says_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"holds no results file \(.*val\.json, bench\.json"):
        read_results([tmp_path])


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A folder where the command has looked at a model and a wide picture."""
    root = tmp_path_factory.mktemp("report")
    model = write(root, colour_network(), batch=None)
    picture = cv2.resize(picture_with([(0, 1), (3, 2)]), (1920, 1280), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(root / "squares.png"), picture)
    assert main(["report", str(model), "--source", str(root / "squares.png"), "-o", str(root / "page.html")]) == 0
    return root


def test_a_model_is_inspected_and_shown_with_what_it_finds(shown):
    schema, document = read_document(shown / "page.json")
    results = as_results(shown / "page.json", document, ReportResults)
    assert schema == SCHEMA
    assert results.models[0].facts["kind"] == "ONNX"
    (picture,) = results.pictures
    assert (picture.name, picture.views[0].findings, picture.views[0].best) == ("squares.png", 2, "green 1.000")
    assert picture.size == (427, SIDE)
    page = (shown / "page.html").read_text()
    for webp in (picture.webp, picture.views[0].webp):
        assert f'src="data:image/webp;base64,{webp}"' in page
    assert picture.webp != picture.views[0].webp


def test_a_page_is_made_again_from_its_results_file(shown):
    assert main(["report", str(shown / "page.json"), "-o", str(shown / "again.html")]) == 0
    assert (shown / "again.html").read_text() == (shown / "page.html").read_text()
    assert not (shown / "again.json").exists()


def test_models_of_one_origin_are_held_against_the_first(tmp_path):
    for folder, network in (("a", colour_network()), ("b", colour_network()), ("c", colour_network(source="other"))):
        (tmp_path / folder).mkdir()
        digest = "12" * 32 if network.meta.source == "" else "34" * 32
        network = replace(network, meta=replace(network.meta, source=f"{folder}.pt", source_sha256=digest))
        write(tmp_path / folder, network, batch=None)
    cv2.imwrite(str(tmp_path / "squares.png"), picture_with([(0, 1), (3, 2)]))
    models = [str(tmp_path / folder / "model.onnx") for folder in "abc"]
    page = tmp_path / "page.html"
    assert main(["report", *models, "--source", str(tmp_path / "squares.png"), "-o", str(page)]) == 0
    (verified,) = as_results(
        page.with_suffix(".json"), json.loads(page.with_suffix(".json").read_text()), ReportResults
    ).verified
    assert (verified.reference.label, verified.candidate.label) == ("a/model.onnx", "b/model.onnx")
    assert verified.passed
    assert (verified.detections.found, verified.pictures) == (2, ("squares.png",))
    assert page.read_text().count('<figure class="compare">') == 2


def test_results_that_are_to_be_read_are_not_written_over(shown, capsys):
    before = (shown / "page.json").read_bytes()
    arguments = [str(shown / "model.onnx"), str(shown / "page.json"), "-o", str(shown / "page.html")]
    assert main(["report", *arguments]) == 1
    assert "would be written over" in capsys.readouterr().err
    assert (shown / "page.json").read_bytes() == before


def test_weights_are_counted_by_type(shown):
    import onnx

    graph = onnx.load(shown / "model.onnx").graph
    expected = {}
    for tensor in graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        expected[str(array.dtype)] = expected.get(str(array.dtype), 0) + array.nbytes
    found = weight_bytes(shown / "model.onnx")
    assert found["float32"] == expected["float32"]
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_json_of_pictures_is_webp_of_the_right_size(shown):
    import base64

    document = json.loads((shown / "page.json").read_text())
    data = base64.b64decode(document["pictures"][0]["webp"])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (427, SIDE, 3)
