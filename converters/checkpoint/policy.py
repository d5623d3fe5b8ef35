"""Which names of code a checkpoint may mention: the policy, apart from the machine that keeps it.

Admitting a name imports nothing; it gives a `Reference`, which is inert. So nothing could run even if every name were
admitted. Names that no weights need and that a hostile file would want are refused all the same, so that a user learns
what such a file would do to a program that trusts it.
"""

from __future__ import annotations

import sys

from ...errors import UnsupportedError
from .tree import Reference

_MAX_NAME = 512

_PYTHON_2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg", "commands": "subprocess"}
_PYTHON_2_NAMES = {
    "builtins.long": "builtins.int",
    "builtins.unicode": "builtins.str",
    "builtins.xrange": "builtins.range",
}
"""The names of Python 2, which pickles of protocol 2 use, hence PyTorch's, and what they are today."""

_CODE_MODULES = sys.stdlib_module_names | {
    *("pip", "setuptools", "pkg_resources", "cffi", "dill", "cloudpickle", "joblib", "IPython", "numba"),
    *("popen2", "cPickle", "urllib2", "imp", "distutils"),
}
"""Top-level modules that are about running code. All of Python's own count as such, but for `_DATA_NAMES`."""

_CODE_NAMES = (
    *("torch.hub", "torch.jit", "torch.package", "torch.load", "torch.save", "torch.ops", "torch.classes"),
    *("torch.compile", "torch.multiprocessing", "torch._dynamo", "torch._inductor"),
    *("numpy.f2py", "numpy.ctypeslib", "numpy.distutils", "numpy.testing"),
)
"""Parts of torch and numpy that are about running code."""

_FUNCTION_MODULES = ("numpy", "torch.utils", "torch.serialization", "torch.storage", "torch.distributed", "torch._C")
"""Parts of torch and numpy whose functions have no place in weights, while their classes may be mentioned."""

_DATA_NAMES = frozenset(
    {f"builtins.{name}" for name in ("object", "int", "float", "bool", "str", "list", "tuple", "dict", "range")}
    | {f"builtins.{name}" for name in ("bytes", "bytearray", "complex", "set", "frozenset", "slice", "getattr")}
    | {f"collections.{name}" for name in ("OrderedDict", "defaultdict", "Counter", "deque")}
    | {f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")}
    | {f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath")}
    | {f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath")}
    | {f"numpy.{name}" for name in ("ndarray", "dtype", "bool", "bool_")}
    | {f"numpy.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
    | {f"numpy.float{bits}" for bits in (16, 32, 64)}
    | {f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")}
    | {f"numpy.random._pickle.__{name}_ctor" for name in ("randomstate", "generator", "bit_generator")}
    | {"argparse.Namespace", "types.SimpleNamespace", "decimal.Decimal", "fractions.Fraction", "uuid.UUID"}
    | {"_codecs.encode", "copyreg._reconstructor", "torch.serialization._get_layout", "torch.storage._load_from_bytes"}
)
"""What real checkpoints mention of the modules above: data, and the functions that pickle uses to restore data."""


def admit(module: str, name: str) -> Reference:
    """The inert reference for the name `name` of `module`.

    Raises:
        ValueError: that is not a name at all, or one of more than 512 letters.
        UnsupportedError: it is one that no weights need, such as `os.system`.
    """
    if len(module) + len(name) > _MAX_NAME:
        raise ValueError("a name of a class or function is too long")
    path = f"{_PYTHON_2_MODULES.get(module, module)}.{name}"
    path = _PYTHON_2_NAMES.get(path, path)
    if not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(f"{path[:80]!a} is not the name of a class or function")
    if path not in _DATA_NAMES and _is_code(path):
        raise refusal("mentions", path)
    return Reference(path)


def looks_like_class(path: str) -> bool:
    """Whether the last part of a dotted path is written as classes are: `Conv`, `_Loss`, not `getattr`."""
    return path.rpartition(".")[2].lstrip("_")[:1].isupper()


def refusal(verb: str, path: str) -> UnsupportedError:
    """The error for a name that is refused: what the file does with it, and what the user can do."""
    return UnsupportedError(
        f"the file {verb} {path}, which is not among the names that weights need; nothing of it was executed. Loading "
        "this file with PyTorch may run code: do so only if you trust its maker, and save it again without that object"
    )


def _is_code(path: str) -> bool:
    if path.partition(".")[0] in _CODE_MODULES or _inside(path, _CODE_NAMES):
        return True
    return _inside(path, _FUNCTION_MODULES) and not looks_like_class(path)


def _inside(path: str, modules: tuple[str, ...]) -> bool:
    return any(path == module or path.startswith(f"{module}.") for module in modules)
