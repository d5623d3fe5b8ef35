"""What a checkpoint becomes when it is read: records of objects, names of code, and tensors still in the file.

Nothing here can execute anything that came from a file. A `Record` is an object whose class was never imported, a
`Reference` is the name of a class or function that was never looked up, and a `TensorData` says where in the file
the numbers lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

from ...errors import ModelError
from ...graph.weights import Array, DType

Kind = TypeVar("Kind")

Value: TypeAlias = Any
"""What a file may hold: plain values and containers of them, a `Record`, a `Reference`, a `TensorData`, an array. Whoever takes
one checks what it is."""

Args: TypeAlias = tuple[Value, ...]
"""What a file hands to a constructor."""

_MAX_EXPANDED_BYTES = 64 << 20
"""How large a tensor may become whose elements share memory (`torch.Tensor.expand`), where its storage is smaller."""

_MODULE_TABLES = ("_parameters", "_buffers", "_modules")
"""Where `torch.nn.Module.__getattr__` looks for what is not in the instance itself, in its order."""

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a class, function or constant of somebody's code, such as `torch.float16`; never imported."""

    path: str


@dataclass(eq=False, slots=True)
class Record:
    """An object of the file whose class is only a name: what it was made from, and its attributes.

    `args` is what the class or factory was called with, `attributes` its state (`__dict__`, or what it gave to
    `__setstate__`; a state that is not a dictionary is under the key `__state__`). `items` and `elements` hold the
    contents of classes derived from dict, and from list, set or deque. Records are compared by identity: a module
    that is used twice is one record. They are filled while the file is read, and are only looked at afterwards.
    """

    class_path: str
    args: Args = ()
    attributes: dict[str, Value] = field(default_factory=dict)
    items: dict[Value, Value] | None = None
    elements: list[Value] | None = None

    @property
    def class_name(self) -> str:
        """The last part of the class path: `Detect` of `models.yolo.Detect`."""
        return self.class_path.rpartition(".")[2]

    def get(self, name: str, default: Value = None) -> Value:
        """The attribute `name`, a module's parameters, buffers and children included; `default` where there is none."""
        if name in self.attributes:
            return self.attributes[name]
        for table in _MODULE_TABLES:
            entries = self.attributes.get(table)
            if isinstance(entries, dict) and name in entries:
                return entries[name]
        return default

    def attribute(self, name: str) -> Value:
        """As `get`, for an attribute that must be there.

        Raises:
            ModelError: it is not.
        """
        value = self.get(name, _ABSENT)
        if value is _ABSENT:
            raise ModelError(
                f"{self.class_path} in the checkpoint has no attribute {describe(name)}; "
                "the file may come from another version or a modified trainer"
            )
        return value

    def tensor(self, name: str) -> TensorData:
        """The parameter or buffer `name`.

        Raises:
            ModelError: there is none, or it is not a tensor.
        """
        return self._typed(name, TensorData, "a tensor")

    def child(self, name: str) -> Record:
        """The submodule (or other object) `name`.

        Raises:
            ModelError: there is none, or it is not an object.
        """
        return self._typed(name, Record, "a module")

    def module_children(self) -> dict[str, Record]:
        """The submodules by name, in their order; those that are None are left out.

        Raises:
            ModelError: an entry of the module table is not a module.
        """
        entries = self.attributes.get("_modules")
        named = entries if isinstance(entries, dict) else {}
        return {name: self.child(name) for name, value in named.items() if value is not None}

    def _typed(self, name: str, kind: type[Kind], what: str) -> Kind:
        value = self.attribute(name)
        if not isinstance(value, kind):
            raise ModelError(
                f"{describe(name)} of {self.class_path} in the checkpoint is {describe(value)}, not {what}; "
                "the file may come from another version or a modified trainer"
            )
        return value

    def __repr__(self) -> str:
        return f"<Record {self.class_path}: {len(self.attributes)} attributes>"


def describe(value: object) -> str:
    """Name a value of the tree for an error message, in bounded length and plain characters."""
    if isinstance(value, Record):
        return f"an object of {value.class_path}"
    if isinstance(value, Reference):
        return f"the name {value.path}"
    if isinstance(value, TensorData):
        return f"a tensor {list(value.shape)}"
    return ascii(value[:40]) if isinstance(value, str) else f"of type {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Element:
    """An element type: how its bits lie in the file, and what they become in numpy."""

    name: str
    stored: DType
    dtype: DType
    decode: Callable[[Array], Array]


def _as_stored(array: Array) -> Array:
    return np.require(array, requirements=["C", "A"])


def _as_bool(array: Array) -> Array:
    """Any byte but 0 is true; numpy is not to see booleans that are neither 0 nor 1."""
    return np.asarray(array != 0, order="C")


def _from_bfloat16(array: Array) -> Array:
    """A bfloat16 is the upper half of a float32."""
    widened = array.astype("<u4", order="C")
    widened <<= 16
    return widened.view("<f4")


def _plain(name: str) -> Element:
    dtype = np.dtype(name).newbyteorder("<")
    return Element(name, dtype, dtype, _as_stored)


_PLAIN_ELEMENTS = (
    *("float64", "float32", "float16", "complex64", "complex128"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
)

ELEMENTS: dict[str, Element] = {
    **{name: _plain(name) for name in _PLAIN_ELEMENTS},
    "bool": Element("bool", np.dtype("u1"), np.dtype("?"), _as_bool),
    "bfloat16": Element("bfloat16", np.dtype("<u2"), np.dtype("<f4"), _from_bfloat16),
}
"""The element types that can be read, by torch's name of the dtype."""


class StorageSource(Protocol):
    """A file that holds storages."""

    def storage_bytes(self, key: str) -> memoryview:
        """The bytes of the storage named `key`."""


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """A run of bytes of the file that tensors look into; several may share one."""

    source: StorageSource
    key: str
    nbytes: int
    start: int = 0
    element: Element | None = None

    def read(self) -> memoryview:
        """Its bytes, mapped from the file where they are not compressed.

        Raises:
            InputError: they are compressed, and damaged.
        """
        return self.source.storage_bytes(self.key)[self.start : self.start + self.nbytes]


@dataclass(frozen=True, eq=False, slots=True)
class TensorData:
    """A tensor that is still in the file: `shape`, and `strides` and `offset` counted in elements of the storage.

    Making one checks that it lies inside its storage, so that `load` can not read anything else (numpy checks again).

    Raises:
        ValueError: it does not, or shape and strides are not such.
    """

    storage: Storage
    element: Element
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("a tensor's offset, shape and strides must be integers from 0 up")
        if len(self.shape) != len(self.strides):
            raise ValueError(f"a tensor has {len(self.shape)} dimensions and {len(self.strides)} strides")
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if self.size and (last + 1) * self.element.stored.itemsize > self.storage.nbytes:
            raise ValueError(f"a tensor reaches beyond the {self.storage.nbytes} bytes of its storage")
        if math.prod(size or 1 for size in self.shape) * self.element.dtype.itemsize > self._most_bytes():
            raise ValueError(f"a tensor of shape {list(self.shape)} in a storage of {self.storage.nbytes} bytes")

    def _most_bytes(self) -> int:
        return max(2 * self.storage.nbytes, _MAX_EXPANDED_BYTES)

    @property
    def dtype(self) -> DType:
        """The type of the loaded array; bfloat16 becomes float32, which holds each of its values."""
        return self.element.dtype

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes the loaded array has."""
        return self.size * self.dtype.itemsize

    def load(self) -> Array:
        """The values, C-contiguous and read-only: a view of the mapped file where the layout allows, else a copy.

        Raises:
            InputError: the storage's bytes are compressed, and damaged.
        """
        if self.size == 0:
            return np.zeros(self.shape, self.dtype)
        width = self.element.stored.itemsize
        steps = [stride * width if size > 1 else 0 for size, stride in zip(self.shape, self.strides, strict=True)]
        stored: Array = np.ndarray(
            self.shape, self.element.stored, self.storage.read(), offset=self.offset * width, strides=steps
        )
        array = self.element.decode(stored)
        array.flags.writeable = False
        return array
