"""`trtzoo doctor`: what is installed, and what of it would fail here."""

from __future__ import annotations

import argparse

from ...flags import add_json
from ...registry import Command

EXAMPLES = """
  trtzoo doctor
  trtzoo doctor --json > machine.json             for a bug report
"""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def _run(options: argparse.Namespace) -> int:
    from .... import console
    from ....machine import examine

    report = examine()
    if options.json:
        console.document("trtzoo.doctor", report.document())
    else:
        console.table("", ["", "version", ""], report.rows())
        for fault in report.faults:
            print(f"{fault.part}: {fault.sentence()}")
        for note in report.notes:
            console.note(note)
    if not report.faults:
        return 0
    where = "the document" if options.json else "above"
    console.error(f"{len(report.faults)} of what is installed would fail, see {where}")
    return 1


COMMAND = Command("doctor", "say what is installed, and what of it would fail here and why", EXAMPLES, _add_flags, _run)
