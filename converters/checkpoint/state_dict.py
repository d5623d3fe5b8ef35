"""Named tensors of a checkpoint, and loading them into a PyTorch module with nothing missing and nothing left over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError, ModelError
from .reader import Record, TensorData, read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

_LISTED = 5
_COUNTER = "num_batches_tracked"
"""Batches that a normalisation has seen: old files lack it, and no result depends on it."""


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a state dict into a module; every tensor of the module must be there, in its shape, and nothing else.

    Raises:
        InputError: the file is damaged or holds no tensors by name.
        ModelError: tensors are missing, unexpected or of another shape; they are listed.
    """
    import torch

    given, wanted = _state_dict(path), module.state_dict()
    if all(name.startswith("module.") for name in given) and not any(name.startswith("module.") for name in wanted):
        given = {name.removeprefix("module."): data for name, data in given.items()}
    _check_names(path, given, wanted)
    arrays = {name: torch.from_numpy(np.array(data.load())) for name, data in given.items()}
    module.load_state_dict({name: wanted[name] for name in wanted} | arrays)


def _state_dict(path: Path) -> dict[str, TensorData]:
    """The named tensors of a checkpoint: a state dict on top or under a key, or those of a saved module."""
    tree = read_checkpoint(path)
    for candidate in (tree, *(tree.values() if isinstance(tree, dict) else ())):
        tensors = _module_tensors(candidate) if isinstance(candidate, Record) else _named_tensors(candidate)
        if tensors:
            return tensors
    raise InputError(f"{path} holds no tensors by name; give a state dict (torch.save(model.state_dict(), ...))")


def _named_tensors(value: object) -> dict[str, TensorData]:
    table = value if isinstance(value, dict) else {}
    return {name: data for name, data in table.items() if isinstance(name, str) and isinstance(data, TensorData)}


def _module_tensors(module: Record, prefix: str = "") -> dict[str, TensorData]:
    """The parameters and buffers of a saved module by their state dict names."""
    own = (_named_tensors(module.get(table)) for table in ("_parameters", "_buffers"))
    tensors = {f"{prefix}{name}": data for table in own for name, data in table.items()}
    for name, inner in module.module_children().items():
        tensors |= _module_tensors(inner, f"{prefix}{name}.")
    return tensors


def _check_names(path: Path, given: Mapping[str, TensorData], wanted: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in given and not name.endswith(_COUNTER)]
    unexpected = [name for name in given if name not in wanted]
    shapes = [
        f"{name} {list(given[name].shape)} instead of {list(wanted[name].shape)}"
        for name in given
        if name in wanted and tuple(given[name].shape) != tuple(wanted[name].shape)
    ]
    problems = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    found = [f"{len(names)} {kind}: {_listing(names)}" for kind, names in problems if names]
    if found:
        raise ModelError(
            f"{path} does not fit the module ({'; '.join(found)}); give the weights of exactly this architecture, or another "
            f"--model"
        )


def _listing(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
