"""Whether TensorRT-RTX is installed, which builds engines without a GPU."""

import importlib.util

import pytest

from trtzoo.engines.library.compat import MODULES

INSTALLED = any(importlib.util.find_spec(module) for module in MODULES["tensorrt-rtx"])

needs_rtx = pytest.mark.skipif(not INSTALLED, reason="TensorRT-RTX is not installed (extra rtx)")
