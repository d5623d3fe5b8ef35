"""A classifier's pictures: one folder a class."""

from __future__ import annotations

from pathlib import Path

from ...engines.pictures.sources import PICTURES
from ...errors import InputError
from .truth import Dataset, Sample


def read_class_folders(path: Path, split: str) -> Dataset:
    """The pictures below `path`/CLASS, or below `path`/`split`/CLASS where that is there.

    Raises:
        InputError: there are no folders of classes.
    """
    root = path / split if (path / split).is_dir() else path
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    if not folders:
        raise InputError(f"{path}: a classifier's pictures lie in one folder a class, and there is none")
    names = tuple(folder.name for folder in folders)
    files = [
        (file, number)
        for number, folder in enumerate(folders)
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PICTURES
    ]
    samples = tuple(Sample(file, id=count, label=label) for count, (file, label) in enumerate(files, start=1))
    return Dataset(root.name, names, tuple(range(len(names))), samples)
