"""The table of all engines that the tests built, at the end of the test run."""

from __future__ import annotations

from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    built: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for cell in (value for name, value in report.user_properties if name == "engine"):
                (built if outcome == "passed" else failed)[cell["row"], cell["column"]] += 1
    if built:
        _print(terminalreporter, built)


def _print(terminalreporter: Any, built: Counter[tuple[str, str]]) -> None:
    rows = sorted({row for row, _ in built})
    columns = sorted({column for _, column in built}, key=lambda column: column.split()[::-1])
    terminalreporter.section("engines built by TensorRT-RTX")
    width = max(map(len, rows))
    terminalreporter.write_line(" " * width + "".join(f"  {column}" for column in columns))
    for row in rows:
        cells = "".join(f"  {built[row, column] or '-':>{len(column)}}" for column in columns)
        terminalreporter.write_line(f"{row:{width}}{cells}")
