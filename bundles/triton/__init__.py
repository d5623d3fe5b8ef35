"""Triton: a model repository with its configuration, an optional ensemble that takes pictures, and its Dockerfile.

source (tensors of an ONNX file or an engine) -> config (through Triton's own protobuf) -> repository (folders and files)
"""

from __future__ import annotations

from .repository import Repository, TritonSettings, remains, write_repository
from .source import Source, engine_source, onnx_source

__all__ = ["Repository", "Source", "TritonSettings", "engine_source", "onnx_source", "remains", "write_repository"]
