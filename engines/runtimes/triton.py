"""A model on a Triton server, over HTTP or gRPC."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.meta import ModelMeta
from ...contract.nms import Suppression
from ...contract.outputs import INPUT
from ...contract.properties import from_properties
from ...errors import InputError, MissingDependencyError
from ...graph.session import first_line
from ...graph.weights import Array
from ...graph_passes.layouts import expected_outputs
from .batches import plan_runs

_ADDRESS = re.compile(r"triton(?:\+(http|grpc))?:/{1,2}([^/]+:\d+)/([^/]+)(?:/(\d+))?")
UNLIMITED = 1024
"""Images of a request to a model that states no limit."""


@dataclass(frozen=True)
class Address:
    """What `triton://HOST:PORT/MODEL` says; `triton+http` and `triton+grpc` name the protocol, else the port is asked.

    Attributes:
        protocol: "http", "grpc", or "" to find out.
        server: HOST:PORT.
        model: name.
        version: of the model, "" is the server's choice.
    """

    protocol: str
    server: str
    model: str
    version: str = ""


def is_address(text: str) -> bool:
    """Whether this is the address of a model on a server; a path that swallowed one of the two slashes counts."""
    return re.match(r"triton(\+\w+)?:/", text) is not None


def parse_address(text: str) -> Address:
    """Read `triton://HOST:PORT/MODEL` or `triton://HOST:PORT/MODEL/VERSION`.

    Raises:
        InputError: not of this form.
    """
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise InputError(
            f"{text} is no address of a model; write triton://HOST:PORT/MODEL, such as triton://localhost:8000/yolov8n"
        )
    protocol, server, model, version = match.groups()
    return Address(protocol or "", server, model, version or "")


class TritonRuntime:
    """A model that a Triton server runs. The metadata comes from the server; only outputs that are wanted are asked for.

    Args:
        address: `triton://HOST:PORT/MODEL`.

    Raises:
        InputError: no server there, no such model, or one without trtzoo's metadata.
        MissingDependencyError: tritonclient is not installed.
    """

    gpu_seconds: float | None = None

    def __init__(self, address: str) -> None:
        self._where = address
        place = parse_address(address)
        self._model, self._version = place.model, place.version
        self._kit, self._client, protocol = _connect(place)
        self.name = f"triton {protocol} {place.server}"
        try:
            config = _config(self._ask("get_model_config", place.model, place.version))
            self.meta: ModelMeta = _meta(config, address)
        except BaseException:
            self.close()
            raise
        self._most = int(config.get("max_batch_size", 0)) or self.meta.batch or UNLIMITED
        self._thresholds = [item["name"] for item in config["input"] if item["name"] != INPUT]
        self._outputs = [spec.name for spec in expected_outputs(self.meta)]

    def infer(
        self, images: Array, thresholds: Suppression | None = None, outputs: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Run the network on images [B, ...] as its input is, in several requests where the model takes fewer at once."""
        names = [name for name in self._outputs if outputs is None or name in outputs]
        least = self.meta.batch or 1
        parts = []
        for run in plan_runs(len(images), least, max(least, self._most)):
            chunk = np.zeros((run.size, *images.shape[1:]), images.dtype)
            chunk[: run.count] = images[run.start : run.start + run.count]
            answer = self._request(chunk, thresholds, names)
            parts.append({name: array[: run.count] for name, array in answer.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _request(self, images: Array, thresholds: Suppression | None, names: list[str]) -> dict[str, Array]:
        from tritonclient.utils import np_to_triton_dtype

        settings = thresholds or self.meta.nms
        feeds = {name: np.full((len(images), 1), getattr(settings, name), np.float32) for name in self._thresholds}
        inputs = []
        for name, array in ({INPUT: images} | feeds).items():
            inputs.append(self._kit.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
            inputs[-1].set_data_from_numpy(np.ascontiguousarray(array))
        wanted = [self._kit.InferRequestedOutput(name) for name in names]
        answer = self._ask("infer", self._model, inputs, model_version=self._version, outputs=wanted)
        return {name: answer.as_numpy(name) for name in names}

    def _ask(self, method: str, *arguments: Any, **more: Any) -> Any:
        try:
            return getattr(self._client, method)(*arguments, **more)
        except MemoryError:
            raise
        except Exception as error:  # the two clients and their transports raise classes without a common base
            raise InputError(f"{self._where}: the server says: {first_line(error)}") from error


def _connect(place: Address) -> tuple[Any, Any, str]:
    """The module and the client of a protocol that the server answers, and its name."""
    try:
        import tritonclient.grpc as grpc
        import tritonclient.http as http
    except ImportError as error:
        raise MissingDependencyError(
            "talking to Triton needs its client; run `pip install 'trtzoo[triton]'`"
        ) from error
    said = ""
    for name, kit in (("http", http), ("grpc", grpc)):
        if place.protocol in ("", name):
            client = kit.InferenceServerClient(place.server)
            try:
                if client.is_server_live():
                    return kit, client, name
            except Exception as error:  # as above
                said = first_line(error)
            client.close()
    raise InputError(
        f"no Triton server answers at {place.server} ({said or 'it is not live'}); check host and port (HTTP 8000, gRPC 8001)"
    )


def _config(answer: Any) -> dict[str, Any]:
    """The model's configuration as JSON values, whichever protocol it came by."""
    if isinstance(answer, dict):
        return answer
    from google.protobuf.json_format import MessageToDict

    found: dict[str, Any] = MessageToDict(answer.config, preserving_proto_field_name=True)
    return found


def _meta(config: dict[str, Any], where: str) -> ModelMeta:
    text = config.get("parameters", {}).get("trtzoo", {}).get("string_value")
    if not text:
        raise InputError(
            f"{where}: the server's configuration carries no trtzoo metadata; write it with `trtzoo triton`"
        )
    return from_properties({"trtzoo": text}, where)
