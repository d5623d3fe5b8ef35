"""PyTorch checkpoints without PyTorch: `.pt` files as inert records and numpy arrays, with nothing in them executed.

    file -> container (zip, legacy) -> pickle machine -> records, references, tensors still in the file
            files                      pickle_machine    tree
            zip_directory              values, policy, arrays

`torch.load` runs whatever a file names. Here a fixed list of functions (`values`) makes plain values, every
class becomes a `Record`, and any other call is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from ...errors import InputError, TrtZooError, UnsupportedError
from ...files import require_file
from .files import read_container
from .tree import Record, Reference, TensorData, Value, describe

__all__ = ["Record", "Reference", "TensorData", "load_model_record", "read_checkpoint"]

_MAX_MODULE_LEVELS = 64
_MAX_MODULES = 50_000
_MAX_PLACES = 32
"""Where to look for plain weights: a checkpoint has a dozen entries."""


def read_checkpoint(path: Path) -> Value:
    """Read a PyTorch file: the tree of dicts, lists, tuples, scalars, numpy values, `Record`s and `TensorData`.

    The numbers of the tensors stay in the file until `TensorData.load`. No code of the file is executed, whatever it
    says. Containers may hold themselves, as in Python.

    Raises:
        InputError: the file is absent, cut off or damaged.
        UnsupportedError: it is something else than a checkpoint, or calls what is not on the list.
    """
    require_file(path, "a PyTorch checkpoint")
    with _naming(path):
        return read_container(path)


def load_model_record(path: Path) -> tuple[Record, dict[str, Value]]:
    """The network in a checkpoint as its trainer would load it, and the checkpoint around it.

    That is `ema`, the averaged weights, where there is one, else `model`. The modules form a tree of bounded depth,
    so that walking it is safe. A file that is the network itself comes with an empty checkpoint.

    Raises:
        InputError: as `read_checkpoint`; or the modules nest without end.
        UnsupportedError: as `read_checkpoint`; or the file has weights but no architecture.
        ModelError: something in the place of a module is none.
    """
    tree = read_checkpoint(path)
    with _naming(path):
        return _select_network(tree)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of the errors of the block."""
    try:
        yield
    except TrtZooError as error:
        raise type(error)(f"{path}: {error}") from error


def _select_network(tree: Value) -> tuple[Record, dict[str, Value]]:
    checkpoint = tree if isinstance(tree, dict) else {"model": tree}
    for key in ("ema", "model"):
        record = _network(checkpoint.get(key))
        if record is not None:
            _measure_modules(record, 1, {})
            return record, checkpoint if checkpoint is tree else {}
    raise UnsupportedError(_why_no_network(tree))


def _network(value: Value) -> Record | None:
    """The record of a network; early YOLOv5 trainers saved the averaged one in a pair with its number of updates."""
    candidate = value[0] if isinstance(value, tuple) and value else value
    return candidate if isinstance(candidate, Record) else None


def _measure_modules(module: Record, level: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """The levels and the number of modules under a module, itself included and those used twice counted twice.

    `known` has the modules measured so far, by identity, so that a module costs its time once however often it is used.

    Raises:
        InputError: there are more of either than any network has; modules that contain themselves have no end.
        ModelError: something in the place of a module is none.
    """
    if level <= _MAX_MODULE_LEVELS and id(module) not in known:
        below = [_measure_modules(child, level + 1, known) for child in module.module_children().values()]
        levels, counts = zip((0, 0), *below, strict=True)
        known[id(module)] = (1 + max(levels), 1 + sum(counts))
    levels_below, count = known.get(id(module), (level, 0))
    if levels_below > _MAX_MODULE_LEVELS or count > _MAX_MODULES:
        raise InputError(
            f"its modules are nested more than {_MAX_MODULE_LEVELS} deep, or are more than {_MAX_MODULES}, "
            "as no network's are; save it again"
        )
    return levels_below, count


def _why_no_network(tree: Value) -> str:
    """What a file without a network holds, and what to give instead."""
    weights = _state_dict(tree)
    if weights is None:
        keys = ", ".join(describe(key) for key in list(tree)[:8]) if isinstance(tree, dict) else describe(tree)
        return (
            f"it has no network under 'ema' or 'model' (found: {keys}); give the trainer's own checkpoint, e.g. best.pt"
        )
    example = next(iter(weights))
    return (
        f"it holds weights only ({len(weights)} tensors, the first is {describe(example)}): the architecture is "
        "missing; give the trainer's own checkpoint (best.pt, with the whole model in it), or name the code that makes "
        "the network: --family torch --model package.module:factory"
    )


def _state_dict(tree: Value) -> dict[Value, TensorData] | None:
    """The first dictionary of tensors only: the tree itself or one of the first in it, under whatever key."""
    if not isinstance(tree, dict):
        return None
    for candidate in (tree, *islice(tree.values(), _MAX_PLACES)):
        if isinstance(candidate, dict) and candidate and all(isinstance(v, TensorData) for v in candidate.values()):
            return candidate
    return None
