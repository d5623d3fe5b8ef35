"""What a trained checkpoint says about its model besides the weights: class names, training size, channels, strides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...errors import ModelError
from ..names import numbered_names, read_names, readable_names
from ..options import ReadOptions
from ..torch_modules.modules import EXPORT_INSTEAD, integer, kernel_of
from .reader import Record
from .tree import TensorData, Value


def class_names(model: Record, classes: int, options: ReadOptions) -> tuple[str, ...]:
    """The class names from `--names`, else from the model's `names`: a list, or a dict by number or numeral.

    Names that the model lacks become class0, class1, ...; more names than classes are ignored; WordNet ids become words.
    """
    if options.names:
        return read_names(options.names, classes)
    table = _names_by_number(model)
    return readable_names(table.get(number, name) for number, name in enumerate(numbered_names(classes)))


def names_notes(model: Record, classes: int, options: ReadOptions) -> tuple[str, ...]:
    """What to say where a checkpoint does not name all its classes."""
    named = sum(number < classes for number in _names_by_number(model))
    if options.names or named == classes:
        return ()
    which = f"only {named} of its {classes} classes" if named else "no class"
    return (f"the checkpoint names {which}; the others are class0, class1, ...: give all names with --names",)


def _names_by_number(model: Record) -> dict[int, str]:
    given = model.get("names")
    if isinstance(given, (list, tuple)):
        return {number: str(name) for number, name in enumerate(given)}
    items = given.items() if isinstance(given, dict) else ()
    return {int(key): str(name) for key, name in items if isinstance(key, int) or str(key).isdecimal()}


def trained_size(model: Record, checkpoint: Mapping[str, Value]) -> int | None:
    """The side of the square training pictures, where the checkpoint tells."""
    for source in (checkpoint.get("train_args"), model.get("args")):
        arguments = source.attributes if isinstance(source, Record) else source
        size = arguments.get("imgsz") if isinstance(arguments, dict) else None
        size = max(size, default=None) if isinstance(size, (list, tuple)) else size
        if isinstance(size, int) and size > 0:
            return size
    return None


def level_strides(head: Record, model: Record) -> tuple[int, ...]:
    """The strides of the detection levels in pixels, from the head's tensor, or the model's in older files.

    Raises:
        ModelError: neither holds whole positive numbers, one for each level.
    """
    sources = head.get("f")
    levels = len(sources) if isinstance(sources, (list, tuple)) else 1
    for owner in (head, model):
        data = owner.get("stride")
        if isinstance(data, TensorData) and data.size == levels:
            strides = [float(stride) for stride in data.load().reshape(-1)]
            if all(stride >= 1 and stride == int(stride) for stride in strides):
                return tuple(int(stride) for stride in strides)
    raise ModelError(
        f"the checkpoint's {head.class_name} head does not say the strides of its {levels} levels; save it after the "
        f"model was built completely, or {EXPORT_INSTEAD}"
    )


def input_channels(layers: Sequence[Record]) -> int:
    """Channels of the pictures: what the first convolution takes."""
    first = next((module for layer in layers for module in _modules(layer) if module.class_name == "Conv2d"), None)
    if first is None:
        raise ModelError("the checkpoint's model holds no convolution; it is not a detection or classification network")
    return kernel_of(first).shape[1] * integer(first, "groups", 1, least=1)


def layer_rows(layers: Sequence[Record]) -> tuple[str, ...]:
    """A row a layer: number, sources, class, parameters."""
    return tuple(
        f"{index:>3}  {layer.get('f', -1)!s:>14}  {layer.class_name:<18} {parameter_count(layer):>10,}"
        for index, layer in enumerate(layers)
    )


def parameter_count(module: Record) -> int:
    """How many trained numbers a module holds, its submodules included."""
    tables = (inner.get("_parameters") for inner in _modules(module))
    values = (value for table in tables if isinstance(table, dict) for value in table.values())
    return sum(value.size for value in values if isinstance(value, TensorData))


def _modules(module: Record) -> Iterator[Record]:
    """The module and all below it."""
    yield module
    for inner in module.module_children().values():
        yield from _modules(inner)
