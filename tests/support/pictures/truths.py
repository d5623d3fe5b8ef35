"""The labels of a dataset as they are read."""

from __future__ import annotations

from labelled_squares import (
    SIZE,
)


def truths(dataset):
    return [sample.truth(SIZE) for sample in dataset.samples]
