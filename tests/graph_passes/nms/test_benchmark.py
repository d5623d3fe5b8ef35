"""Every formulation of the benchmark gives the rows of greedy NMS, so its times compare like with like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from nms_reference import reference_rows

from trtzoo.contract.nms import NmsSettings

FOLDER = Path(__file__).parents[3] / "benchmarks" / "nms"


def test_formulations_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import forms as benchmark

    shape = (2, 150, 3)
    for form, function in benchmark.FORMS.items():
        benchmark._write(tmp_path / "form.onnx", shape, 100, function)
        session = ort.InferenceSession(str(tmp_path / "form.onnx"))
        for dense in (False, True):
            feeds = benchmark.inputs((2, 400, 3), dense)
            feeds = {name: values[:, :150] for name, values in feeds.items()}
            heads = {name.removeprefix("in_"): values for name, values in feeds.items()}
            settings = NmsSettings("plain", benchmark.IOU, benchmark.CONF, benchmark.ROWS, 100)
            expected = reference_rows(heads, settings, (640, 640))
            names = [item.name for item in session.get_outputs()]
            for name, values in zip(names, session.run(names, feeds), strict=True):
                np.testing.assert_array_equal(values, expected[name], err_msg=f"{form}: {name}")
