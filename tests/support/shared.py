"""Where the project's shared reference data lies, and the marks that skip a test where it does not."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
GOLDEN = SHARED / "golden"
WEIGHTS = SHARED / "weights"
COCO = SHARED / "coco"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="../shared/golden (reference outputs) is not here")
needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="../shared/weights (real weights) is not here")
needs_coco = pytest.mark.skipif(not COCO.is_dir(), reason="../shared/coco (labelled pictures) is not here")


def golden_cases(prefix: str) -> list[Path]:
    """The folders of the golden cases whose name starts with `prefix`, sorted; empty where the data is absent."""
    return sorted(path for path in GOLDEN.glob(f"{prefix}*") if (path / "case.json").exists())
