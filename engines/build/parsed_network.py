"""An ONNX file as TensorRT's parser reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, TrtZooError
from ..library import compat
from ..library.compat import Api
from ..library.log import errors_of
from ..plans.settings import Range
from ..plans.tensors import EngineTensor
from .profiles import FREE, NetworkInput


@dataclass(frozen=True)
class ParsedNetwork:
    """A network and the parser that made it, which owns the weights and so has to live as long.

    Attributes:
        network: INetworkDefinition.
        parser: OnnxParser.
        heard: the parser's logger.
        seconds: that parsing took.
    """

    network: Any
    parser: Any
    heard: Any
    seconds: float

    def inputs(self) -> list[NetworkInput]:
        """What the profiles have to cover."""
        network = self.network
        found = [network.get_input(index) for index in range(network.num_inputs)]
        return [NetworkInput(itensor.name, _shape(itensor), itensor.is_shape_tensor) for itensor in found]

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


def parse(api: Api, builder: Any, log: Any, onnx: str, trace: bool = False) -> ParsedNetwork:
    """Parse a file. Weights in files of their own are found beside it.

    The parser says several lines a node; only where they are needed, after an error or to `trace` a crash, do they go to
    `log`, since handing them to Python takes a third of the time of parsing.

    Raises:
        InputError: not an ONNX file, or its weights are missing.
        UnsupportedError: with every error of the parser.
    """
    trt = api.trt
    start = time.perf_counter()
    network = compat.make_network(api, builder)
    heard = log if trace else trt.Logger(trt.ILogger.INTERNAL_ERROR)
    parser = trt.OnnxParser(network, heard)
    if not parser.parse_from_file(onnx):
        raise _why_not(api, builder, log, onnx)
    if not network.num_outputs:
        raise InputError(f"{onnx} holds no ONNX graph; the file may be truncated or of another format")
    return ParsedNetwork(network, parser, heard, time.perf_counter() - start)


def _why_not(api: Api, builder: Any, log: Any, onnx: str) -> TrtZooError:
    """Parse again, listening."""
    from .errors import explain_parse, read_parser_errors

    network = compat.make_network(api, builder)
    parser = api.trt.OnnxParser(network, log)
    parser.parse_from_file(onnx)
    return explain_parse(onnx, api.name, read_parser_errors(parser, onnx), errors_of(log))


def _shape(itensor: Any) -> tuple[int, ...]:
    try:
        return tuple(itensor.shape)
    except ValueError:  # the rank itself is free
        return (FREE,)
