"""What a run of the zoo did, as JSON for programs and as rows for a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .build import Outcome

SCHEMA = 1
"""Version of the JSON document."""


def to_document(outcomes: Sequence[Outcome], output: Path) -> dict[str, Any]:
    """The outcomes as JSON values; paths are relative to the output folder where they lie in it."""
    return {
        "schema": SCHEMA,
        "counts": counts(outcomes),
        "steps": [
            {
                "id": outcome.step.id,
                "model": outcome.step.model,
                "kind": outcome.step.kind,
                "state": outcome.state,
                "seconds": round(outcome.seconds, 3),
                "message": outcome.message,
                "command": ["trtzoo", *outcome.step.command],
                "outputs": [_relative(path, output) for path in outcome.step.outputs],
            }
            for outcome in outcomes
        ],
    }


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many steps ended in each state."""
    states = [outcome.state for outcome in outcomes]
    return {
        state: states.count(state) for state in ("done", "unchanged", "due", "failed", "skipped") if state in states
    }


def rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A row for each model, precision and target: its name, its steps with what became of them, its seconds."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.step.id.rpartition("/")[0], []).append(outcome)
    return [
        [name, ", ".join(f"{one.step.kind} {one.state}" for one in group), f"{sum(one.seconds for one in group):.1f}"]
        for name, group in groups.items()
    ]


def _relative(path: Path, output: Path) -> str:
    return str(path.relative_to(output)) if path.is_relative_to(output) else str(path)
