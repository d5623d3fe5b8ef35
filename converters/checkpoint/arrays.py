"""Tensors and numpy arrays out of a checkpoint's pickle: what PyTorch's and numpy's own rebuild functions become.

Each function takes the arguments that the file gives to the original of the name in `CONSTRUCTORS`, and `spend` (see
`values`). Arguments that do not fit raise ValueError, TypeError or OverflowError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from ...errors import UnsupportedError
from ...graph.weights import Array, DType
from .policy import admit, refusal
from .tree import ELEMENTS, Args, Element, Reference, Storage, TensorData, Value, describe

Spend = Callable[[int], None]
Constructor = Callable[[Args, Spend], Value]

ENTRY_BYTES = 64
"""About what an entry of a list, dictionary or set costs."""

_MAX_DIMENSIONS = 32
"""What every supported numpy can hold."""

_NUMBERS = re.compile(r"[<|=]?([biufc]\d{1,2}|\?)")
"""numpy's names of the little-endian number types."""


def as_list(value: Value) -> list[Value] | Args:
    if type(value) not in (list, tuple):
        raise ValueError(f"a list is expected, not what is {describe(value)}")
    return value  # type: ignore[no-any-return]


def as_bytes(value: Value, spend: Spend) -> bytes:
    """Bytes, from what Python 2 calls a string as well."""
    if type(value) not in (bytes, str):
        raise ValueError(f"bytes are expected, not what is {describe(value)}")
    spend(len(value))
    return value.encode("latin1") if type(value) is str else bytes(value)


def _tensor(args: Args, spend: Spend) -> TensorData:
    """`_rebuild_tensor(storage, offset, size, stride)` and, of version 2, (requires_grad, hooks, metadata)."""
    storage, offset, size, stride, *rest = args
    if not isinstance(storage, Storage) or storage.element is None:
        raise ValueError("a tensor without a typed storage")
    _refuse_lazy_bits(rest[2:3])
    return TensorData(storage, storage.element, offset, _sizes(size, spend), _sizes(stride, spend))


def _tensor_v3(args: Args, spend: Spend) -> TensorData:
    """`_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)`."""
    storage, offset, size, stride, _, _, dtype, *rest = args
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    _refuse_lazy_bits(rest[:1])
    return TensorData(storage, _element_of(dtype), offset, _sizes(size, spend), _sizes(stride, spend))


def _element_of(dtype: Value) -> Element:
    path = dtype.path if isinstance(dtype, Reference) else ""
    element = ELEMENTS.get(path.removeprefix("torch."))
    if element is None:
        raise UnsupportedError(f"the file has a tensor of type {path or describe(dtype)}; convert it to float first")
    return element


def _refuse_lazy_bits(metadata: list[Value]) -> None:
    """A tensor may be marked as to be conjugated or negated when read; no network's weights are."""
    if metadata and metadata[0]:
        raise UnsupportedError("the file has a tensor with a conjugate or negative bit; save it resolved (resolve_neg)")


def _parameter(args: Args, spend: Spend) -> TensorData:
    """`_rebuild_parameter(data, requires_grad, hooks)`, and with a state as the fourth."""
    data, *_ = args
    if not isinstance(data, TensorData):
        raise ValueError(f"a parameter that is {describe(data)}")
    return data


def _tensor_subclass(args: Args, spend: Spend) -> TensorData:
    """`_rebuild_from_type_v2(function, type, args, state)`: a tensor with attributes, which are dropped."""
    function, _, tensor_args, _ = args
    path = function.path if isinstance(function, Reference) else describe(function)
    rebuild = _TENSORS.get(path)
    if rebuild is None or type(tensor_args) is not tuple:
        raise refusal("calls", path)
    spend(ENTRY_BYTES * len(tensor_args))
    return rebuild(tensor_args, spend)


def _size(args: Args, spend: Spend) -> Args:
    return _sizes(args[0], spend) if args else ()


def _sizes(value: Value, spend: Spend) -> Args:
    if len(as_list(value)) > _MAX_DIMENSIONS:
        raise ValueError(f"a shape of {len(value)} dimensions")
    spend(ENTRY_BYTES * len(value))
    return tuple(value)


def _layout(args: Args, spend: Spend) -> Reference:
    (name,) = args
    if type(name) is not str:
        raise ValueError(f"the layout of a tensor is {describe(name)}")
    return admit("torch", name.removeprefix("torch."))


def _nested_file(args: Args, spend: Spend) -> Value:
    raise UnsupportedError(
        "the file was written by pickle instead of torch.save, with whole files in place of its tensors; "
        "load it where it was made and write it with torch.save"
    )


def _empty_array(args: Args, spend: Spend) -> Array:
    """An array that gets its contents in a moment, by `set_array_state`."""
    return np.empty(0, np.uint8)


def set_array_state(array: Array, state: Value, spend: Spend) -> None:
    """`(version, shape, dtype, is_fortran, bytes)`, checked before numpy takes it."""
    _, shape, dtype, fortran, raw = state
    data, sizes = as_bytes(raw, spend), _sizes(shape, spend)
    if not isinstance(dtype, np.dtype) or any(type(size) is not int or size < 0 for size in sizes):
        raise ValueError("a numpy array without a number type or a shape")
    if math.prod(sizes) * dtype.itemsize != len(data):
        raise ValueError(f"a numpy array of shape {list(sizes)} with {len(data)} bytes")
    numpy_state: Value = (1, sizes, dtype, bool(fortran), data)
    array.__setstate__(numpy_state)


def _numpy_scalar(args: Args, spend: Spend) -> Value:
    dtype, raw = args
    if not isinstance(dtype, np.dtype):
        raise ValueError("a numpy scalar without a number type")
    return np.frombuffer(as_bytes(raw, spend), dtype, count=1)[0]


def _numpy_dtype(args: Args, spend: Spend) -> DType:
    name, *_ = args
    if type(name) is not str or not _NUMBERS.fullmatch(name):
        raise UnsupportedError(
            f"the file has a numpy value of the type {describe(name)}, not of numbers; save it again without it"
        )
    return np.dtype(name)


def check_dtype_state(dtype: DType, state: Value) -> None:
    """A number type has nothing but a byte order in its state: `(version, order, None, ...)`."""
    _, order, *parts = state
    if order not in ("<", "|", "=") or any(part is not None for part in parts[:3]):
        raise UnsupportedError("the file has a numpy value of big-endian numbers, or of records; save it without it")


_TENSORS: dict[str, Callable[[Args, Spend], TensorData]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}

CONSTRUCTORS: dict[str, Constructor] = {
    **_TENSORS,
    "torch._tensor._rebuild_from_type_v2": _tensor_subclass,
    "torch.Size": _size,
    "torch.serialization._get_layout": _layout,
    "torch.storage._load_from_bytes": _nested_file,
    "numpy.dtype": _numpy_dtype,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
}
"""By the path of the function that the file names."""
