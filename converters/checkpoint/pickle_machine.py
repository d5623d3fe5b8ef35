"""A pickle stack machine that builds data and calls nothing.

A pickle is a program for a machine with a stack, a memo and marks (the opcodes are described in the source of Python's
`pickletools`). Python's own machine imports and calls whatever the program names; this one hands names and calls to
`values`, which knows a fixed list of them. It imports nothing, does not recurse, and bounds time and
memory: opcodes are counted, every length is checked against the bytes that are left, and whatever copies values
accounts for it.

Opcodes that PyTorch never writes are refused: text ones of protocol 0, extensions, buffers outside the file.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from collections.abc import Callable

from ...errors import InputError, TrtZooError, UnsupportedError
from . import values as values
from .arrays import ENTRY_BYTES
from .policy import admit
from .tree import Args, Record, Value

MAX_PICKLE_BYTES = 64 << 20
"""Real ones have about 1 MiB: the numbers are not in the pickle."""

_MAX_OPCODES = 4_000_000
_MAX_COPIED_BYTES = 256 << 20
_MAX_INTEGER_BYTES = 1024
_MAX_LINE_BYTES = 2048
_MAX_IDENTIFIER = 8

_DAMAGE = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, struct.error)
"""What the handlers run into when a program is not one: an empty stack, a mark that was never set, a wrong type."""


class PickleReader:
    """Reads the pickles that lie one after the other in `data`, from `position` on.

    `load_persistent` turns the identifiers that the writer left in place of large data into values.
    """

    def __init__(self, data: bytes, load_persistent: Callable[[Value], Value]) -> None:
        self.position = 0
        self._data = data
        self._load_persistent = load_persistent
        self._copied = 0
        self._stack: list[Value] = []
        self._marked: list[list[Value]] = []
        self._memo: dict[int, Value] = {}

    def load(self) -> Value:
        """The value of the next pickle; `position` is then behind it.

        Raises:
            InputError: it is damaged, or asks for more memory than any checkpoint needs.
            UnsupportedError: it calls something that is not on the list, or uses what PyTorch does not write.
        """
        self._stack, self._marked, self._memo = [], [], {}
        try:
            return self._run()
        except TrtZooError as error:
            raise type(error)(f"{error} (at byte {self.position} of the pickle)") from error
        except _DAMAGE as error:
            raise InputError(
                f"its pickle is damaged near byte {self.position} ({self._reason(error)}); download or save it again"
            ) from error

    def _run(self) -> Value:
        for _ in range(_MAX_OPCODES):
            code = self._data[self.position]
            self.position += 1
            if code == _STOP:
                return self._stack.pop()
            _HANDLERS[code](self)
        raise InputError(f"its pickle has more than {_MAX_OPCODES} opcodes, far more than any network needs")

    def _reason(self, error: Exception) -> str:
        """Python's own messages about keys and indices say nothing to a user."""
        if self.position >= len(self._data) or isinstance(error, struct.error):
            return "it ends too early"
        return "it takes what was never put there" if isinstance(error, LookupError) else str(error)[:200]

    def spend(self, amount: int) -> None:
        """Account for `amount` bytes that a value is about to copy."""
        self._copied += amount
        if self._copied > _MAX_COPIED_BYTES:
            raise InputError(f"its pickle copies more than {_MAX_COPIED_BYTES} bytes, far more than any network needs")

    def _take(self, length: int) -> bytes:
        """The next `length` bytes of the program."""
        start, end = self.position, self.position + length
        if end > len(self._data):
            raise ValueError("something is longer than the rest")
        self.position = end
        return self._data[start:end]

    def _take_number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take_line(self) -> str:
        end = self._data.find(b"\n", self.position, self.position + _MAX_LINE_BYTES)
        if end < 0:
            raise ValueError("a name does not end")
        line = self._take(end - self.position)
        self.position += 1
        return line.decode("utf-8")

    def _pop_mark(self) -> list[Value]:
        """What was pushed since the last mark."""
        above, self._stack = self._stack, self._marked.pop()
        return above

    def _refuse(self) -> None:
        code = self._data[self.position - 1]
        names = [opcode.name for opcode in pickletools.opcodes if ord(opcode.code) == code]
        if not names:
            raise ValueError(f"{code:#04x} is not an opcode")
        raise UnsupportedError(
            f"its pickle has the opcode {names[0]}, which PyTorch does not write; save it again with torch.save"
        )

    def _skip_protocol(self) -> None:
        if (version := self._take_number(1)) > pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"protocol {version} is not known")

    def _skip_frame(self) -> None:
        self._take(8)

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _drop_mark(self) -> None:
        self._pop_mark()

    def _duplicate(self) -> None:
        self._stack.append(self._stack[-1])

    def _put_1(self) -> None:
        self._memo[self._data[self.position]] = self._stack[-1]
        self.position += 1

    def _put_4(self) -> None:
        self._memo[_UINT_4(self._data, self.position)[0]] = self._stack[-1]
        self.position += 4

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get_1(self) -> None:
        self._stack.append(self._memo[self._data[self.position]])
        self.position += 1

    def _get_4(self) -> None:
        self._stack.append(self._memo[_UINT_4(self._data, self.position)[0]])
        self.position += 4

    def _integer_1(self) -> None:
        self._stack.append(self._data[self.position])
        self.position += 1

    def _integer_2(self) -> None:
        self._stack.append(self._take_number(2))

    def _integer_4(self) -> None:
        self._stack.append(_INT_4(self._data, self.position)[0])
        self.position += 4

    def _float(self) -> None:
        self._stack.append(_FLOAT_8(self._data, self.position)[0])
        self.position += 8

    def _long(self, size_bytes: int) -> None:
        length = self._take_number(size_bytes)
        if length > _MAX_INTEGER_BYTES:
            raise ValueError(f"an integer of {length} bytes")
        self._stack.append(int.from_bytes(self._take(length), "little", signed=True))

    def _text(self, size_bytes: int) -> None:
        self._stack.append(str(self._take(self._take_number(size_bytes)), "utf-8", "surrogatepass"))

    def _bytes(self, size_bytes: int) -> None:
        self._stack.append(self._take(self._take_number(size_bytes)))

    def _byte_array(self) -> None:
        self._stack.append(bytearray(self._take(self._take_number(8))))

    def _tuple(self) -> None:
        above = tuple(self._pop_mark())
        self._stack.append(above)

    def _tuple_of(self, length: int) -> None:
        if len(self._stack) < length:
            raise IndexError("the stack is too short")
        self._stack[-length:] = [tuple(self._stack[-length:])]

    def _list(self) -> None:
        above = self._pop_mark()
        self._stack.append(above)

    def _dict(self) -> None:
        above = self._pop_mark()
        self._stack.append({})
        self._add_items(above)

    def _frozen_set(self) -> None:
        above = self._pop_mark()
        self._stack.append(frozenset(values.checked_key(element, self.spend) for element in above))

    def _append(self) -> None:
        self._add_elements([self._stack.pop()])

    def _appends(self) -> None:
        self._add_elements(self._pop_mark())

    def _add_elements(self, elements: list[Value]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(elements)
        elif type(target) is set:
            target.update(values.checked_key(element, self.spend) for element in elements)
        elif isinstance(target, Record):
            target.elements = target.elements or []
            target.elements.extend(elements)
        else:
            raise TypeError(f"elements are added to a {type(target).__name__}")

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._add_items([key, value])

    def _set_items(self) -> None:
        self._add_items(self._pop_mark())

    def _add_items(self, items: list[Value]) -> None:
        """Add keys and values, in turn, to the dictionary on the stack."""
        target = self._stack[-1]
        if isinstance(target, Record):
            target.items = target.items or {}
            target = target.items
        if type(target) is not dict or len(items) % 2:
            raise TypeError(f"items are added to a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key if type(key) is str else values.checked_key(key, self.spend)] = value

    def _global(self) -> None:
        module = self._take_line()
        self._stack.append(admit(module, self._take_line()))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("the name of a class or function is expected")
        self.spend(len(module) + len(name))
        self._stack.append(admit(module, name))

    def _instance(self) -> None:
        module = self._take_line()
        target = admit(module, self._take_line())
        args = tuple(self._pop_mark())
        self._stack.append(values.call(target, args, self.spend))

    def _reduce(self) -> None:
        args = self._pop_args()
        self._stack[-1] = values.call(self._stack[-1], args, self.spend)

    def _new_object(self) -> None:
        args = self._pop_args()
        self._stack[-1] = values.new_object(self._stack[-1], args, self.spend)

    def _new_object_with_names(self) -> None:
        named = self._stack.pop()
        args = self._pop_args()
        self._stack[-1] = values.new_object(self._stack[-1], (*args, named) if named else args, self.spend)

    def _pop_args(self) -> Args:
        args = self._stack.pop()
        if type(args) is not tuple:
            raise TypeError("arguments are not a tuple")
        self.spend(ENTRY_BYTES * len(args))
        return args

    def _build(self) -> None:
        state = self._stack.pop()
        if isinstance(state, (tuple, list, dict)):
            self.spend(ENTRY_BYTES * len(state))
        values.set_state(self._stack[-1], state, self.spend)

    def _persistent(self) -> None:
        identifier = self._stack.pop()
        if type(identifier) is not tuple or len(identifier) > _MAX_IDENTIFIER:
            raise TypeError("the identifier of a storage is not a short tuple")
        self._stack.append(self._load_persistent(identifier))


Handler = Callable[[PickleReader], None]

_UINT_4 = struct.Struct("<I").unpack_from
_INT_4 = struct.Struct("<i").unpack_from
_FLOAT_8 = struct.Struct(">d").unpack_from


def _pushing(make: Callable[[], Value]) -> Handler:
    return lambda reader: reader._stack.append(make())


_STOP = pickle.STOP[0]

_BY_OPCODE: dict[bytes, Handler] = {
    pickle.PROTO: PickleReader._skip_protocol,
    pickle.FRAME: PickleReader._skip_frame,
    pickle.MARK: PickleReader._mark,
    pickle.POP: PickleReader._pop,
    pickle.POP_MARK: PickleReader._drop_mark,
    pickle.DUP: PickleReader._duplicate,
    pickle.BINPUT: PickleReader._put_1,
    pickle.LONG_BINPUT: PickleReader._put_4,
    pickle.MEMOIZE: PickleReader._memoize,
    pickle.BINGET: PickleReader._get_1,
    pickle.LONG_BINGET: PickleReader._get_4,
    pickle.NONE: _pushing(lambda: None),
    pickle.NEWTRUE: _pushing(lambda: True),
    pickle.NEWFALSE: _pushing(lambda: False),
    pickle.BININT1: PickleReader._integer_1,
    pickle.BININT2: PickleReader._integer_2,
    pickle.BININT: PickleReader._integer_4,
    pickle.BINFLOAT: PickleReader._float,
    pickle.LONG1: lambda reader: reader._long(1),
    pickle.LONG4: lambda reader: reader._long(4),
    pickle.SHORT_BINUNICODE: lambda reader: reader._text(1),
    pickle.BINUNICODE: lambda reader: reader._text(4),
    pickle.BINUNICODE8: lambda reader: reader._text(8),
    pickle.SHORT_BINSTRING: lambda reader: reader._text(1),
    pickle.BINSTRING: lambda reader: reader._text(4),
    pickle.SHORT_BINBYTES: lambda reader: reader._bytes(1),
    pickle.BINBYTES: lambda reader: reader._bytes(4),
    pickle.BINBYTES8: lambda reader: reader._bytes(8),
    pickle.BYTEARRAY8: PickleReader._byte_array,
    pickle.EMPTY_TUPLE: _pushing(tuple),
    pickle.TUPLE1: lambda reader: reader._tuple_of(1),
    pickle.TUPLE2: lambda reader: reader._tuple_of(2),
    pickle.TUPLE3: lambda reader: reader._tuple_of(3),
    pickle.TUPLE: PickleReader._tuple,
    pickle.EMPTY_LIST: _pushing(list),
    pickle.LIST: PickleReader._list,
    pickle.APPEND: PickleReader._append,
    pickle.APPENDS: PickleReader._appends,
    pickle.EMPTY_DICT: _pushing(dict),
    pickle.DICT: PickleReader._dict,
    pickle.SETITEM: PickleReader._set_item,
    pickle.SETITEMS: PickleReader._set_items,
    pickle.EMPTY_SET: _pushing(set),
    pickle.ADDITEMS: PickleReader._appends,
    pickle.FROZENSET: PickleReader._frozen_set,
    pickle.GLOBAL: PickleReader._global,
    pickle.STACK_GLOBAL: PickleReader._stack_global,
    pickle.INST: PickleReader._instance,
    pickle.REDUCE: PickleReader._reduce,
    pickle.NEWOBJ: PickleReader._new_object,
    pickle.NEWOBJ_EX: PickleReader._new_object_with_names,
    pickle.BUILD: PickleReader._build,
    pickle.BINPERSID: PickleReader._persistent,
}

_HANDLERS: list[Handler] = [PickleReader._refuse] * 256
for _code, _handler in _BY_OPCODE.items():
    _HANDLERS[_code[0]] = _handler
