"""What holds for every test of the command line."""

from __future__ import annotations

import math

import pytest

from trtzoo import console


@pytest.fixture(autouse=True)
def _no_lines_of_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a quick command may take so long that it says how far it is, which is tested in test_console.py."""
    monkeypatch.setattr(console, "LOG_EVERY", math.inf)
