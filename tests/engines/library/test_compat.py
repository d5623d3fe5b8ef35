"""Every name of TensorRT's Python interface that the code uses exists in the versions that it is for.

`data/bindings.json` holds the names of the bindings of TensorRT 8.5 to 11.4 and TensorRT-RTX (data/read_bindings.py made it). The
code names its TensorRT objects always alike, so which class an attribute belongs to can be read from the source.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_tensorrt import fake_api
from rtx import needs_rtx

import trtzoo
from trtzoo.contract.target import parse_target
from trtzoo.engines.library import compat
from trtzoo.errors import InputError, MissingDependencyError, UnsupportedError

ENGINES = Path(trtzoo.__file__).parent / "engines"
FILES = (
    "library/compat", "library/log", "build/progress", "build/errors", "build/parsed_network", "build/config", "build/precision",
    "build/process/worker",
    "plans/load", "plans/inspect",
    "runtimes/tensorrt", "runtimes/execution",
)  # fmt: skip
OBJECTS = {
    "builder": "Builder", "config": "IBuilderConfig", "network": "INetworkDefinition", "itensor": "ITensor",
    "parser": "OnnxParser", "fault": "ParserError", "ilayer": "ILayer", "profile": "IOptimizationProfile", "timings": "ITimingCache",
    "runtime": "Runtime", "engine": "ICudaEngine", "inspector": "EngineInspector", "_context": "IExecutionContext",
    "context": "IExecutionContext", "runtime_config": "IRuntimeConfig", "runtime_cache": "IRuntimeCache", "plan": "IHostMemory",
}  # fmt: skip
"""Which class of TensorRT a variable or attribute of this name holds, in `FILES`."""

RTX_ONLY = {
    "ComputeCapability", "CudaGraphStrategy", "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
    "EngineInvalidityDiagnostics", "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability", "ICudaEngine.create_runtime_config", "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.cuda_graph_strategy", "IRuntimeConfig.set_runtime_cache", "IRuntimeCache.deserialize",
    "IRuntimeCache.serialize", "Runtime.get_engine_validity",
}  # fmt: skip
"""Used behind `api.rtx` alone."""

OLD_ONLY = {
    "ICudaEngine.device_memory_size": ("8", "10.0"),
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": ("10",),
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": ("8",),
    "BuilderFlag.FP16": ("8",),
    "BuilderFlag.INT8": ("8",),
    "BuilderFlag.OBEY_PRECISION_CONSTRAINTS": ("8",),
    "BuilderFlag.PREFER_PRECISION_CONSTRAINTS": ("8",),
    "ILayer.precision": ("8",),
    "ILayer.set_output_type": ("8",),
}
"""Used on old versions alone; the rest has a newer way."""

SINCE = {
    (8, 6): {
        "BuilderFlag.VERSION_COMPATIBLE", "HardwareCompatibilityLevel", "HardwareCompatibilityLevel.AMPERE_PLUS",
        "IBuilderConfig.builder_optimization_level", "IBuilderConfig.hardware_compatibility_level",
        "IBuilderConfig.plugins_to_serialize", "OnnxParser.get_used_vc_plugin_libraries", "Runtime.engine_host_code_allowed",
    },
    (10, 0): {
        "IBuilderConfig.progress_monitor", "IProgressMonitor", "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "ParserError.node_name", "ParserError.node_operator",
    },
    (10, 3): {"ICudaEngine.device_memory_size_v2"},
}  # fmt: skip
"""By the first release that has them: what is used behind a look at the version."""


def used_names() -> set[str]:
    """ "Class.attribute" of every use of a TensorRT object, "name" of every use of the module."""
    return {name for file in FILES for name in _uses(ast.parse((ENGINES / f"{file}.py").read_text(encoding="utf-8")))}


def _uses(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            owner = _last(node.value)
            if owner == "trt":
                yield node.attr
            elif isinstance(node.value, ast.Attribute) and _last(node.value.value) == "trt":
                yield f"{owner}.{node.attr}"
            elif owner in OBJECTS:
                yield f"{OBJECTS[owner]}.{node.attr}"


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def bindings() -> dict[str, set[str]]:
    """Version -> the names that its bindings have."""
    document = json.loads((Path(__file__).parent / "data" / "bindings.json").read_text(encoding="utf-8"))
    return {
        version: set(document["in_all"]) | {name for name, have in document["in_some"].items() if version in have}
        for version in document["versions"]
    }


def test_the_walk_finds_the_calls() -> None:
    names = used_names()
    assert len(names) > 60
    assert {
        "Builder.build_serialized_network",
        "OnnxParser.parse_from_file",
        "IExecutionContext.execute_async_v3",
    } <= names
    assert {"ILogger.ERROR", "IProgressMonitor", "ITensor.dtype", "ParserError.node_operator"} <= names


@pytest.mark.parametrize("version", [version for version in bindings() if not version.startswith("rtx")])
def test_every_name_exists_in_tensorrt(version: str) -> None:
    missing = used_names() - bindings()[version] - RTX_ONLY
    if release(version) >= (10, 0):
        missing -= OLD_ONLY.keys()
    late = {name for since, names in SINCE.items() if release(version) < since for name in names}
    assert missing == late & used_names()


def release(version: str) -> tuple[int, int]:
    """Major and minor version."""
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def test_every_name_exists_in_tensorrt_rtx() -> None:
    (version,) = [version for version in bindings() if version.startswith("rtx")]
    assert not used_names() - bindings()[version] - OLD_ONLY.keys()


@pytest.mark.parametrize(("name", "releases"), OLD_ONLY.items())
def test_old_names_exist_where_they_are_used(name: str, releases: tuple[str, ...]) -> None:
    assert all(name in names for version, names in bindings().items() if version.startswith(releases))


def test_names_that_this_file_lists_are_used() -> None:
    assert used_names() >= RTX_ONLY | OLD_ONLY.keys()


@needs_rtx
def test_enum_members_exist_in_the_installed_library() -> None:
    trt = compat.load("tensorrt-rtx").trt
    assert {"SM86", "SM89", "SM120"} <= set(trt.ComputeCapability.__members__)
    assert "UNSUPPORTED_CC" in trt.EngineInvalidityDiagnostics.__members__


@needs_rtx
def test_the_list_of_names_is_true_for_the_installed_library() -> None:
    api = compat.load("tensorrt-rtx")
    listed = bindings().get(f"rtx {api.version}")
    if listed is None:
        pytest.skip(f"the list holds another version than the installed {api.version}")
    for name in listed:
        owner, _, attribute = name.rpartition(".")
        assert hasattr(getattr(api.trt, owner) if owner else api.trt, attribute)


@needs_rtx
def test_rtx_is_loaded() -> None:
    api = compat.load("tensorrt-rtx")
    assert api.rtx
    assert api.name == f"TensorRT-RTX {api.version}"


def fake_module(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    module = SimpleNamespace(**{"__version__": "10.16.1.11"} | values)
    monkeypatch.setitem(sys.modules, "tensorrt", module)


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in compat.MODULES["tensorrt"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'trtzoo\[tensorrt\]'"):
        compat.load("tensorrt")


def test_library_that_does_not_load_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"does not load \(libnvinfer.so.10"):
        compat.load("tensorrt")


def test_tensorrt_before_85_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_module(monkeypatch, __version__="8.4.3.1")
    with pytest.raises(UnsupportedError, match=r"from TensorRT 8\.5 on; upgrade"):
        compat.load("tensorrt")


@pytest.mark.parametrize(("version", "flags"), [("8.5.3.1", 1), ("8.6.0", 1), ("10.3.0", 2), ("11.4.0.106", 0)])
def test_strong_typing_is_asked_for_where_it_is_a_choice(
    monkeypatch: pytest.MonkeyPatch, version: str, flags: int
) -> None:
    kinds = SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=1)
    fake_module(monkeypatch, __version__=version, NetworkDefinitionCreationFlag=kinds)
    assert compat.make_network(compat.load("tensorrt"), SimpleNamespace(create_network=lambda flags: flags)) == flags


@needs_rtx
def test_unknown_compute_capability_lists_the_known_ones() -> None:
    config = SimpleNamespace(set_compute_capability=None)
    with pytest.raises(InputError, match=r"9.0: TensorRT-RTX .* knows .*8\.9, 12\.0"):
        compat.set_portability(compat.load("tensorrt-rtx"), config, False, False, ("9.0",))


def test_memory_of_an_engine_by_either_name() -> None:
    assert compat.device_memory(SimpleNamespace(device_memory_size=5)) == 5
    assert compat.device_memory(SimpleNamespace(device_memory_size=5, device_memory_size_v2=7)) == 7


def test_types_have_numpys_names() -> None:
    kinds = {"FLOAT": "float32", "HALF": "float16", "INT32": "int32", "BF16": "bfloat16", "FP8": "fp8"}
    for name, expected in kinds.items():
        assert compat.data_type(SimpleNamespace(name=name)) == expected


@pytest.mark.parametrize(
    ("text", "version", "compatible", "fits"),
    [
        ("tensorrt", "10.16.1.11", False, True),
        ("tensorrt:10.16", "10.16.1.11", False, True),
        ("tensorrt:10", "10.16.1.11", False, True),
        ("deepstream:7.1", "10.3.0.26", False, True),
        ("tensorrt:10.3", "10.16.1.11", False, False),
        ("tensorrt:10.16", "10.3.0.26", True, True),
        ("tensorrt:10.3", "10.16.1.11", True, False),
        ("tensorrt:11.4", "10.16.1.11", True, True),
        ("tensorrt:11.4", "8.6.1", True, False),
        ("tensorrt:10.3", "8.6.1", True, True),
        ("tensorrt:8.6", "8.5.3", True, False),
        ("tensorrt:11", "10.16.1.11", False, False),
        ("tensorrt-rtx:1.6", "1.7.0", False, False),
    ],
)
def test_the_installed_release_is_the_one_that_the_target_names(
    text: str, version: str, compatible: bool, fits: bool
) -> None:
    target = parse_target(text)
    api = fake_api(str(target.library), version)
    if fits:
        compat.check_release(api, target, compatible)
        return
    with pytest.raises(UnsupportedError, match=rf"--target {text} .* {version} is installed"):
        compat.check_release(api, target, compatible)
