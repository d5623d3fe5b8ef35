"""What a checkpoint's pickle may build: the complete list of what "calling" a name does while a file is read.

The machine of `pickle_machine` gives here what the file says to call, and with what. The names in `_CONSTRUCTORS`
become the values of the functions below and of `arrays`, class names become inert records, and any other
call is refused. Arguments that do not fit raise ValueError, TypeError or OverflowError, which the machine reports with
the place in the file.

`spend` accounts for memory: whatever copies its arguments says how many bytes, since a file of a few bytes can
name a large value many times.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from ...errors import UnsupportedError
from .arrays import CONSTRUCTORS as ARRAY_CONSTRUCTORS
from .arrays import ENTRY_BYTES, Constructor, Spend, as_bytes, as_list, check_dtype_state, set_array_state
from .policy import admit, looks_like_class, refusal
from .tree import Args, Record, Reference, TensorData, Value, describe

_TUPLE_KEY_BYTES = 1 << 16
"""Hashes of tuples can be forged to collide, so they are made dear: a few thousand of them a file, no more."""

_PLAIN_KEYS = (str, int, float, bool, bytes, type(None), Reference, Record, TensorData)

_RECORD_FACTORIES = frozenset(
    {"torch.device", "collections.deque"}
    | {f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")}
    | {f"numpy.random._pickle.__{name}_ctor" for name in ("randomstate", "generator", "bit_generator")}
)
"""Callables that are not written as classes are, and whose results are kept as records."""


def call(target: object, args: Args, spend: Spend) -> Value:
    """The value that stands for calling `target` with `args`.

    Raises:
        UnsupportedError: it is not on the list.
        ValueError, TypeError, OverflowError: the arguments do not fit.
    """
    path = _path_of_callable(target)
    constructor = _CONSTRUCTORS.get(path)
    if constructor is not None:
        return constructor(args, spend)
    if path in _RECORD_FACTORIES or looks_like_class(path):
        return Record(path, args)
    raise refusal("calls", path)


def new_object(target: object, args: Args, spend: Spend) -> Value:
    """The value that stands for a new object of the class `target`: a record, whatever the class is called."""
    path = _path_of_callable(target)
    constructor = _CONSTRUCTORS.get(path)
    return constructor(args, spend) if constructor is not None else Record(path, args)


def set_state(target: object, state: Value, spend: Spend) -> None:
    """Give `target` the state that was saved with it.

    The state of dictionaries (`_metadata` of a state dict) and tensors (attributes set on them) is dropped.

    Raises:
        ValueError, TypeError: it takes none, or not this one.
    """
    if isinstance(target, Record):
        _set_record_state(target, state, spend)
    elif isinstance(target, np.ndarray):
        set_array_state(target, state, spend)
    elif isinstance(target, np.dtype):
        check_dtype_state(target, state)
    elif not isinstance(target, (dict, TensorData)):
        raise ValueError(f"a state is given to what has none ({describe(target)})")


def checked_key(key: Value, spend: Spend) -> Hashable:
    """Return `key` if hashing it is safe: a scalar, an object by its identity, or a short tuple of scalars.

    Hashing recurses into tuples without a bound, in C; and integers of any size can be chosen to collide.

    Raises:
        ValueError: it is anything else.
    """
    if type(key) is tuple and len(key) <= 8 and not any(type(part) is tuple for part in key):
        spend(_TUPLE_KEY_BYTES)
        return tuple(checked_key(part, spend) for part in key)
    if type(key) not in _PLAIN_KEYS or (type(key) is int and not -(2**63) <= key < 2**63):
        raise ValueError(f"a dictionary or set has a key that is {describe(key)}")
    return key  # type: ignore[no-any-return]


def _path_of_callable(target: object) -> str:
    if isinstance(target, Reference):
        return target.path
    raise UnsupportedError(f"the file calls something without a name ({describe(target)}); PyTorch writes no such file")


def _set_record_state(record: Record, state: Value, spend: Spend) -> None:
    """As `object.__setstate__`: a dictionary of attributes, alone or in a pair with the one of the slots."""
    parts = state if type(state) is tuple and len(state) == 2 else (state,)
    spend(sum(ENTRY_BYTES * len(part) for part in parts if type(part) is dict))
    if not all(part is None or _is_attributes(part) for part in parts):
        record.attributes["__state__"] = state
        return
    for part in parts:
        record.attributes.update(part or ())


def _is_attributes(value: object) -> bool:
    return type(value) is dict and all(type(name) is str for name in value)


def _dict(args: Args, spend: Spend) -> dict[Value, Value]:
    """An ordered dictionary; Python 2 gives its pairs as an argument, later versions add them afterwards."""
    if not args:
        return {}
    (pairs,) = args
    spend(ENTRY_BYTES * len(pairs))
    return {checked_key(key, spend): value for key, value in as_list(pairs)}


def _default_dict(args: Args, spend: Spend) -> dict[Value, Value]:
    """A dictionary without its factory: what to make for absent keys is code."""
    return _dict(args[1:], spend)


def _counter(args: Args, spend: Spend) -> dict[Value, Value]:
    counts = args[0] if args else {}
    if type(counts) is not dict:
        raise ValueError("a Counter holds a dictionary")
    spend(ENTRY_BYTES * len(counts))
    return dict(counts)


def _set(args: Args, spend: Spend) -> set[Value]:
    elements = as_list(args[0]) if args else ()
    spend(ENTRY_BYTES * len(elements))
    return {checked_key(element, spend) for element in elements}


def _frozen_set(args: Args, spend: Spend) -> frozenset[Value]:
    return frozenset(_set(args, spend))


def _slice(args: Args, spend: Spend) -> slice:
    start, stop, step = args
    return slice(start, stop, step)


def _range(args: Args, spend: Spend) -> range:
    """A range, such as YOLOv5's `Sum` keeps; its numbers are made only when it is iterated."""
    if len(args) != 3 or any(type(argument) is not int for argument in args):
        raise ValueError("a range has three integers")
    return range(*args)


def _complex(args: Args, spend: Spend) -> complex:
    real, imaginary = args
    if type(real) is not float or type(imaginary) is not float:
        raise ValueError("a complex number has two floats")
    return complex(real, imaginary)


def _bytes(args: Args, spend: Spend) -> bytes:
    """Bytes that were written as text: each character is the byte of the same number (Latin-1)."""
    if not args:
        return b""
    text, encoding = args
    if encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes are written in latin1")
    return as_bytes(text, spend)


def _byte_array(args: Args, spend: Spend) -> bytearray:
    if len(args) == 1 and type(args[0]) is bytes:
        spend(len(args[0]))
        return bytearray(args[0])
    return bytearray(_bytes(args, spend))


def _member(args: Args, spend: Spend) -> Reference:
    """A method kept as a value, such as `Detect.forward` in the heads of Ultralytics: its name, and no more."""
    owner, name = args
    if isinstance(owner, (Reference, Record)) and type(name) is str:
        return admit(owner.path if isinstance(owner, Reference) else owner.class_path, name)
    raise refusal("calls", "builtins.getattr")


def _instance(args: Args, spend: Spend) -> Record:
    """`copyreg._reconstructor(class, base, value)`: how protocols before 2 make an object."""
    target, _, value = args
    return Record(_path_of_callable(target), () if value is None else (value,))


_CONSTRUCTORS: dict[str, Constructor] = {
    **ARRAY_CONSTRUCTORS,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _default_dict,
    "collections.Counter": _counter,
    "builtins.set": _set,
    "builtins.frozenset": _frozen_set,
    "builtins.slice": _slice,
    "builtins.range": _range,
    "builtins.complex": _complex,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _byte_array,
    "builtins.getattr": _member,
    "_codecs.encode": _bytes,
    "copyreg._reconstructor": _instance,
}
