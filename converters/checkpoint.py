"""PyTorch checkpoints without PyTorch: `.pt` files as inert records and numpy arrays, with nothing in them executed.

    file -> container (zip, legacy) -> pickle machine -> records, references, tensors still in the file
            _checkpoint_files          _pickle_machine   _checkpoint_tree
            _zip_directory             _checkpoint_values, _checkpoint_names, _checkpoint_arrays

`torch.load` runs whatever a file names. Here a fixed list of functions (`_checkpoint_values`) makes plain values, every
class becomes a `Record`, and any other call is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError, TrtZooError, UnsupportedError
from ..files import require_file
from ._checkpoint_files import read_container
from ._checkpoint_tree import Record, Reference, TensorData, describe

__all__ = ["Record", "Reference", "TensorData", "load_model_record", "read_checkpoint"]

_MAX_MODULE_DEPTH = 64
_MAX_MODULES = 100_000


def read_checkpoint(path: Path) -> Any:
    """Read a PyTorch file: the tree of dicts, lists, tuples, scalars, numpy values, `Record`s and `TensorData`.

    The numbers of the tensors stay in the file until `TensorData.load`. No code of the file is executed, whatever it
    says. Containers may hold themselves, as in Python.

    Raises:
        InputError: the file is absent, cut off or damaged.
        UnsupportedError: it is something else than a checkpoint, or calls what is not on the list.
    """
    require_file(path, "a PyTorch checkpoint")
    try:
        return read_container(path)
    except TrtZooError as error:
        raise type(error)(f"{path}: {error}") from error


def load_model_record(path: Path) -> tuple[Record, dict[str, Any]]:
    """The network in a checkpoint as its trainer would load it, and the checkpoint around it.

    That is `ema`, the averaged weights, where there is one, else `model`. The modules form a tree of bounded depth,
    so that walking it is safe. A file that is the network itself comes with an empty checkpoint.

    Raises:
        InputError, UnsupportedError: as `read_checkpoint`; or the file has weights but no architecture.
    """
    tree = read_checkpoint(path)
    checkpoint = tree if isinstance(tree, dict) else {"model": tree}
    for key in ("ema", "model"):
        record = _network(checkpoint.get(key))
        if record is not None:
            _check_modules(path, record)
            return record, checkpoint if checkpoint is tree else {}
    raise UnsupportedError(f"{path} {_why_no_network(tree)}")


def _network(value: Any) -> Record | None:
    """The record of a network; early YOLOv5 trainers saved the averaged one in a pair with its number of updates."""
    candidate = value[0] if isinstance(value, tuple) and value else value
    return candidate if isinstance(candidate, Record) else None


def _check_modules(path: Path, record: Record) -> None:
    """Refuse modules that contain themselves or each other without end. Modules used in several places are counted."""
    levels = [iter([record])]
    for _ in range(_MAX_MODULES):
        module = next(levels[-1], None)
        if module is not None:
            levels.append(_children(path, module))
        else:
            levels.pop()
        if not levels:
            return
        if len(levels) > _MAX_MODULE_DEPTH:
            break
    raise InputError(
        f"{path}: its modules are nested more than {_MAX_MODULE_DEPTH} deep or more than {_MAX_MODULES // 2}, "
        "as no network's are; save it again"
    )


def _children(path: Path, module: Record) -> Iterator[Record]:
    try:
        return iter(module.module_children().values())
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _why_no_network(tree: Any) -> str:
    """What a file without a network holds, and what to give instead."""
    weights = _state_dict(tree)
    if weights is None:
        keys = ", ".join(describe(key) for key in list(tree)[:8]) if isinstance(tree, dict) else describe(tree)
        return (
            f"holds no network under 'ema' or 'model' (found: {keys}); give the trainer's own checkpoint, e.g. best.pt"
        )
    example = next(iter(weights))
    return (
        f"holds weights only ({len(weights)} tensors, the first is {describe(example)}): the architecture is missing; "
        "give the trainer's own checkpoint (best.pt, with the whole model in it), or name the code that makes the "
        "network: --family torch --model package.module:factory"
    )


def _state_dict(tree: Any) -> dict[Any, TensorData] | None:
    """The first dictionary of tensors only: the tree itself or one in it, under whatever key."""
    if not isinstance(tree, dict):
        return None
    for candidate in (tree, *tree.values()):
        if isinstance(candidate, dict) and candidate and all(isinstance(v, TensorData) for v in candidate.values()):
            return candidate
    return None
