"""An ONNX file as TensorRT's parser reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from . import compat
from .compat import Api
from .profiles import FREE, NetworkInput
from .settings import Range
from .tensors import EngineTensor
from .trt_log import errors_of


@dataclass(frozen=True)
class ParsedNetwork:
    """A network and the parser that made it, which owns the weights and so has to live as long.

    Attributes:
        network: INetworkDefinition.
        parser: OnnxParser.
        seconds: that parsing took.
    """

    network: Any
    parser: Any
    seconds: float

    def inputs(self) -> list[NetworkInput]:
        """What the profiles have to cover."""
        network = self.network
        found = [network.get_input(index) for index in range(network.num_inputs)]
        return [NetworkInput(itensor.name, tuple(itensor.shape), itensor.is_shape_tensor) for itensor in found]

    def tensors(self, ranges: Mapping[str, Range]) -> list[EngineTensor]:
        """Inputs and outputs as the library understood them, with the profile that they are built for."""
        network = self.network
        inputs = [("input", network.get_input(index)) for index in range(network.num_inputs)]
        outputs = [("output", network.get_output(index)) for index in range(network.num_outputs)]
        return [
            EngineTensor(
                itensor.name,
                mode,
                compat.data_type(itensor.dtype),
                _shape(itensor),
                tuple(ranges.get(itensor.name, ())),
            )
            for mode, itensor in [*inputs, *outputs]
        ]


def parse(api: Api, builder: Any, log: Any, onnx: str) -> ParsedNetwork:
    """Parse a file. Weights in files of their own are found beside it.

    Raises:
        InputError: not an ONNX file, or its weights are missing.
        UnsupportedError: with every error of the parser.
    """
    network = compat.make_network(api, builder)
    parser = api.trt.OnnxParser(network, log)
    start = time.perf_counter()
    if not parser.parse_from_file(onnx):
        from .build_errors import explain_parse, read_parser_errors

        raise explain_parse(onnx, api.name, read_parser_errors(parser), errors_of(log))
    if not network.num_outputs:
        raise InputError(f"{onnx} holds no ONNX graph; the file may be truncated or of another format")
    return ParsedNetwork(network, parser, time.perf_counter() - start)


def _shape(itensor: Any) -> tuple[int, ...]:
    try:
        return tuple(itensor.shape)
    except ValueError:  # the rank itself is free
        return (FREE,)
