"""Checkpoints with the structure of the original frameworks' models, random weights, and what the original code computed.

A file `tests/converters/wongkinyiu/data/NAME.npz` holds a model's module tree (class paths, attributes, shapes) as data, and the output
that the original code gave on the CPU for the weights of `weights` and the picture of `picture`. No code of the originals is
here or needed: the classes in the checkpoint are empty.
"""

from __future__ import annotations

import json
import re
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).resolve().parents[2] / "converters" / "wongkinyiu" / "data"
GAINS = {"v9_c": 1.35, "v9_t": 1.35, "v9_gelan_c": 1.35, "v9_gelan_t": 1.35, "v9_cf": 1.35}
"""Spread of the weights, where it is not 1.2: none of the scores is saturated."""


def weights(name: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """The random values of a parameter, by its name."""
    random, last = np.random.default_rng(zlib.crc32(name.encode())), name.rsplit(".", 1)[-1]
    if last == "running_var":
        return random.uniform(0.5, 1.5, shape)
    if last in ("running_mean", "bias"):
        return random.normal(0, 0.1, shape)
    if last == "implicit":
        return random.normal(0, 0.3, shape) + (1 if ".im." in name else 0)
    if len(shape) == 1:
        return random.uniform(0.5, 1.5, shape)
    more = 6 if re.search(r"\.cv[2-7]\.\d\.2\.weight$", name) else 1
    return more * random.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)


def picture(size: tuple[int, int]) -> np.ndarray:
    """The picture that the outputs were computed for."""
    return np.random.default_rng(5).random((1, 3, *size), dtype=np.float32)


def original(name: str) -> tuple[dict, np.ndarray, tuple[int, int]]:
    """A model's tree, its output and the picture's height and width."""
    stored = np.load(DATA / f"{name}.npz")
    height, width = (int(length) for length in stored["size"])
    return json.loads(zlib.decompress(stored["structure"].tobytes())), stored["output"], (height, width)


def write_checkpoint(name: str, path: Path) -> Path:
    """The checkpoint of a model, as its trainer would have saved it."""
    tree, _, _ = original(name)
    made: list[str] = []
    try:
        model = _module(tree, "", GAINS.get(name, 1.2), made)
        torch.save({"model": model, "epoch": 1}, path)
    finally:
        for module in made:
            sys.modules.pop(module, None)
    return path


def _module(node: dict, path: str, gain: float, made: list[str]) -> torch.nn.Module:
    kind = _class(node["class"], made)
    module = kind.__new__(kind)
    torch.nn.Module.__init__(module)
    for key, value in node.get("attrs", {}).items():
        method = isinstance(value, dict) and value.get("method")
        object.__setattr__(module, key, getattr(module, method) if method else _value(value))
    for key, (table, shape, *values) in node.get("tensors", {}).items():
        full = f"{path}.{key}" if path else key
        tensor = None if shape is None else _tensor(full, tuple(shape), gain, values)
        module.register_buffer(key, tensor) if table == "b" else module.register_parameter(key, _parameter(tensor))
    for key, child in node.get("modules", {}).items():
        module.add_module(key, None if child is None else _module(child, f"{path}.{key}" if path else key, gain, made))
    return module.eval()


def _tensor(name: str, shape: tuple[int, ...], gain: float, values: list) -> torch.Tensor:
    array = np.reshape(values[0], shape) if values else weights(name, shape, gain)
    return torch.from_numpy(np.asarray(array, np.float32))


def _parameter(tensor: torch.Tensor | None) -> torch.nn.Parameter | None:
    return None if tensor is None else torch.nn.Parameter(tensor, requires_grad=False)


def _value(value: object) -> object:
    if isinstance(value, dict):
        return torch.tensor(value["tensor"]) if "tensor" in value else tuple(map(_value, value["tuple"]))
    return [_value(item) for item in value] if isinstance(value, list) else value


def _replaced(self: torch.nn.Module) -> None:
    """What a fused module's `forward` was replaced with; only its name is in the file."""


def _class(path: str, made: list[str]) -> type:
    """Torch's own class, or an empty one under the original's path."""
    home, name = path.rsplit(".", 1)
    if home.startswith("torch."):
        return getattr(sys.modules[home], name)
    for part in (home.split(".")[0], home):
        if part not in sys.modules:
            sys.modules[part] = types.ModuleType(part)
            made.append(part)
    module = sys.modules[home]
    if not hasattr(module, name):
        setattr(module, name, type(name, (torch.nn.Module,), {"__module__": home, "fuseforward": _replaced}))
    return getattr(module, name)
