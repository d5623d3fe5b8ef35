"""Any PyTorch module as ONNX: the general path, for architectures that no family knows.

    package.module:factory -> module, its weights read safely -> torch.onnx.export -> checked against the module itself

Unlike everything else here this runs code: the module that the user names, and PyTorch (extra `torch`). The weights file is
still only read (`state_dict`), never executed.
"""

from __future__ import annotations

import importlib
import inspect
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

import numpy as np
import onnx

from ..contract.outputs import INPUT
from ..errors import InputError, MissingDependencyError, TrtZooError, UnsupportedError, VerificationError
from ..files import atomic_write
from ..graph.compare import moved
from ..graph.session import first_line, open_session
from ..graph.weights import Array
from .checkpoint.state_dict import load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

TOLERANCE = 1e-3
"""How far ONNX Runtime may be from the module on a random input, relative to the output's largest value."""

_SEED = 21


@dataclass(frozen=True)
class ModuleExport:
    """What `export_module` wrote.

    Attributes:
        path: the ONNX file.
        outputs: name and shape of each output, as the module gave them for the example input.
        nodes: in the graph.
        difference: of the outputs in ONNX Runtime from the module's own, relative to their largest value.
        notes: what the user should know, a sentence each.
    """

    path: Path
    outputs: Mapping[str, tuple[int, ...]]
    nodes: int
    difference: float
    notes: tuple[str, ...] = ()


Simplify = Callable[[onnx.ModelProto], tuple[onnx.ModelProto, str]]
"""A model -> the same model with fewer nodes, and a sentence that says what was done."""


def export_module(
    spec: str,
    weights: Path | None,
    input_shape: tuple[int, ...],
    opset: int,
    path: Path,
    *,
    dynamic: bool = False,
    simplify: Simplify | None = None,
) -> ModuleExport:
    """Export a module to ONNX, and compare the file with the module.

    Args:
        spec: `package.module:factory`; the factory is called without arguments and gives a torch.nn.Module.
        weights: a state dict or checkpoint; None exports the module as the factory makes it.
        input_shape: of the example input, [B, C, H, W] or any other; values are 0..1.
        opset: of the ONNX.
        path: the file to write.
        dynamic: leave the first axis free.
        simplify: a pass over the graph, before it is compared.

    Raises:
        InputError: the factory cannot be found or does not make a module, or the weights cannot be read.
        ModelError: the weights are another model's.
        UnsupportedError: PyTorch cannot run or export the module.
        VerificationError: the file computes something else than the module.
        MissingDependencyError: PyTorch or onnxsim is not installed.
    """
    torch = _torch()
    module = _make_module(torch, spec)
    if weights:
        load_weights(module, weights)
    example = torch.from_numpy(np.random.default_rng(_SEED).random(input_shape, np.float32))
    expected = _run_module(torch, module, example, spec)
    model, notes = _export(torch, module, example, opset, dynamic, len(expected), spec)
    if simplify:
        model, note = simplify(model)
        notes += (note,)
    difference = _compare(model, example.numpy(), expected)
    with atomic_write(path) as stream:
        stream.write(model.SerializeToString())
    shapes = {output.name: values.shape for output, values in zip(model.graph.output, expected, strict=True)}
    return ModuleExport(path, shapes, len(model.graph.node), difference, notes)


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("--family torch needs PyTorch: pip install 'trtzoo[torch]'") from error
    return cast(ModuleType, torch)


def _make_module(torch: ModuleType, spec: str) -> nn.Module:
    """What the factory makes, ready for inference."""
    module = _call(_find(spec), spec)
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"--model {spec} gives a {type(module).__name__}; it must be or return a torch.nn.Module")
    ready: nn.Module = module.eval().float()
    return ready


def _find(spec: str) -> object:
    """The object that `package.module:name` names; the current folder is searched too."""
    home, colon, name = spec.partition(":")
    if not (home and colon and name):
        raise InputError(f"--model {spec}: expected package.module:factory, such as my_package.model:build")
    with _current_folder_importable():
        try:
            found = importlib.import_module(home)
        except ImportError as error:
            raise InputError(
                f"--model {spec}: cannot import {home}: {error}; install it or run where it lies"
            ) from error
        except Exception as error:  # whatever the user's module does when it is imported
            raise InputError(f"--model {spec}: importing {home} failed with {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = sorted(key for key, value in vars(found).items() if callable(value) and not key.startswith("_"))
            raise InputError(
                f"--model {spec}: {home} has no {name}; it has {', '.join(known[:20]) or 'nothing to call'}"
            )
        found = getattr(found, part)
    return found


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """A console script does not search the folder that it is started in; `python -m` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _call(found: object, spec: str) -> object:
    """The module itself, or what the factory returns."""
    if not callable(found) or (hasattr(found, "forward") and not inspect.isclass(found)):
        return found
    try:
        return found()
    except Exception as error:  # whatever the user's factory does
        raise InputError(
            f"--model {spec}: calling it without arguments failed with {type(error).__name__}: {error}; name a function "
            f"that needs none"
        ) from error


def _run_module(torch: ModuleType, module: nn.Module, example: Tensor, spec: str) -> list[Array]:
    """The module's outputs for the example, in the order in which the exporter flattens them."""
    try:
        with torch.no_grad():
            return [tensor.numpy() for tensor in _tensors(module(example), torch)]
    except Exception as error:  # whatever the user's module does
        raise UnsupportedError(
            f"--model {spec} cannot run on an input of {'x'.join(map(str, example.shape))}: {type(error).__name__}: "
            f"{first_line(error)}; correct --input"
        ) from error


def _tensors(value: object, torch: ModuleType) -> Iterator[Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part, torch)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part, torch)


def _export(
    torch: ModuleType, module: nn.Module, example: Tensor, opset: int, dynamic: bool, outputs: int, spec: str
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Trace the module into an ONNX model, and say what the trace could not follow."""
    name = INPUT if example.ndim == 4 else "input"
    names = [f"output{index}" for index in range(outputs)]
    settings: dict[str, object] = {"opset_version": opset, "input_names": [name], "output_names": names}
    if dynamic:
        settings["dynamic_axes"] = {tensor: {0: "batch"} for tensor in (name, *names)}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        settings["dynamo"] = False
    stream = io.BytesIO()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.onnx.export(module, (example,), stream, **settings)
    except Exception as error:  # the exporter raises its own and torch's errors, without a common base
        raise UnsupportedError(
            f"PyTorch cannot export --model {spec} to opset {opset}: {type(error).__name__}: {first_line(error)}; try "
            f"another --opset, or export it with its own framework"
        ) from error
    model = onnx.load_from_string(stream.getvalue())
    return model, _trace_notes([warning for warning in caught if warning.category.__name__ == "TracerWarning"])


def _trace_notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    if not caught:
        return ()
    first = f"{Path(caught[0].filename).name}:{caught[0].lineno}"
    return (
        f"{len(caught)} values that depend on the input were taken as constants (first at {first}): the graph may be "
        f"right for this input shape only",
    )


def _compare(model: onnx.ModelProto, example: Array, expected: list[Array]) -> float:
    """The largest relative difference of ONNX Runtime's outputs from the module's.

    Raises:
        VerificationError: it is above `TOLERANCE`, or the model is invalid.
    """
    try:
        onnx.checker.check_model(model)
        actual = _run_onnx(model, example)
    except TrtZooError:
        raise
    except Exception as error:  # the checker and ONNX Runtime have exceptions of their own
        raise VerificationError(
            f"the exported model is not valid ONNX: {first_line(error)}; try another --opset"
        ) from error
    worst = max((moved(*pair) for pair in zip(expected, actual, strict=True)), default=0.0)
    if worst > TOLERANCE:
        raise VerificationError(
            f"the exported model differs from the module by {worst:.1e} of its largest output, allowed {TOLERANCE:.0e}; the "
            f"module may depend on random numbers or on its input's values"
        )
    return worst


def _run_onnx(model: onnx.ModelProto, example: Array) -> list[Array]:
    session = open_session(model.SerializeToString())
    return cast("list[Array]", session.run(None, {session.get_inputs()[0].name: example}))
