"""A dataset from whatever the user points at: a data yaml, COCO JSON, a folder of JSON files, folders of classes."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from .class_folders import read_class_folders
from .coco_json import read_json
from .truth import Dataset
from .yolo_txt import read_data_yaml


def load_dataset(path: Path, task: str, images: Path | None = None, split: str = "val") -> Dataset:
    """Read the list of pictures; labels are read with each picture.

    Args:
        path: a data yaml (path, train, val, names, kpt_shape, flip_idx), a COCO JSON file, a folder with one JSON file a
            picture (COCO-style or LabelMe's), or for a classifier a folder with one folder a class (or the one above, with `split` in it).
        task: of the model: says what of the labels is wanted.
        images: folder of the pictures, where a JSON file does not lie beside them.
        split: of a data yaml or of classes' folders.

    Raises:
        InputError: it is none of these, or holds no labelled picture.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a data yaml, COCO JSON or a folder")
    if task == "classify":
        dataset = read_class_folders(path, split)
    elif path.suffix.lower() in (".yaml", ".yml"):
        dataset = read_data_yaml(path, task, split)
    elif path.is_dir() or path.suffix.lower() == ".json":
        dataset = read_json(path, images)
    else:
        raise InputError(f"{path} is neither a .yaml, a .json nor a folder")
    if not dataset.samples:
        raise InputError(f"{path} holds no picture for the split {split!r}; check its paths")
    return dataset
