"""DeepStream: configuration, labels, parser and samples for NVIDIA's nvinfer element.

request -> plan (parser, precision, what cannot work) -> config, labels, app, files from templates
"""

from __future__ import annotations

from .bundle import Bundle, stale_engines, write_bundle
from .plan import PARSERS, DeepStreamSettings, Parser, choose_parser, layout_for

__all__ = [
    "PARSERS",
    "Bundle",
    "DeepStreamSettings",
    "Parser",
    "choose_parser",
    "layout_for",
    "stale_engines",
    "write_bundle",
]
