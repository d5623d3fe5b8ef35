"""Write bindings.json: which names the Python bindings of each TensorRT version have.

    pip download --no-deps tensorrt_cu12_bindings==10.16.1.11 ...
    python3.10 read_bindings.py --list tensorrt > 8.6.0.json    # where that version is installed
    python read_bindings.py *.json *.whl

The wheels of 10 and 11 hold only the bindings. To import them without TensorRT, its libraries are replaced by empty ones that have
the nine functions the bindings want; nothing is called, the names are listed with `dir`. Takes a C compiler, Linux, and
the Python version of the wheels. TensorRT-RTX is read where it is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CLASSES = (
    "Builder", "BuilderFlag", "ComputeCapability", "CudaGraphStrategy", "DataType", "EngineInspector",
    "EngineInvalidityDiagnostics", "HardwareCompatibilityLevel", "IBuilderConfig", "ICudaEngine", "IExecutionContext",
    "IHostMemory", "ILayer", "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor", "IRuntimeCache",
    "IRuntimeConfig", "ITensor", "ITimingCache", "LayerInformationFormat", "LayerType", "MemoryPoolType",
    "NetworkDefinitionCreationFlag", "OnnxParser", "ParserError", "ProfilingVerbosity", "Runtime", "TacticSource", "TensorIOMode",
)  # fmt: skip
FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
LIST_NAMES = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
public = lambda thing: [name for name in dir(thing) if not name.startswith("_")]
classes = [cls for cls in sys.argv[2:] if hasattr(module, cls)]
names = public(module) + [f"{cls}.{name}" for cls in classes for name in public(getattr(module, cls))]
print(json.dumps([module.__version__, names]))
"""


def main(sources: list[Path]) -> None:
    found = dict(_names_of_list(source) if source.suffix == ".json" else _names_of_wheel(source) for source in sources)
    version, names = _names("tensorrt_rtx_bindings", dict(os.environ))
    found[f"rtx {version}"] = names
    every = sorted({name for names in found.values() for name in names})
    table = {name: [version for version, names in found.items() if name in names] for name in every}
    document = {
        "versions": list(found),
        "in_all": [name for name, versions in table.items() if len(versions) == len(found)],
        "in_some": {name: versions for name, versions in table.items() if len(versions) < len(found)},
    }
    text = json.dumps(document, indent=0)
    Path(__file__).with_name("bindings.json").write_text(text + "\n", encoding="utf-8")


def _names_of_list(path: Path) -> tuple[str, list[str]]:
    version, names = json.loads(path.read_text(encoding="utf-8"))
    return version, names


def _names_of_wheel(wheel: Path) -> tuple[str, list[str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zipfile.ZipFile(wheel).extractall(folder)
        major = wheel.name.split("-")[1].split(".")[0]
        source = folder / "empty.c"
        source.write_text("".join(f"void *{function}(void) {{ return 0; }}\n" for function in FUNCTIONS))
        for library in LIBRARIES:
            target = f"lib{library}.so.{major}"
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-o", folder / target, source, f"-Wl,-soname,{target}"], check=True
            )
        return _names("tensorrt_bindings", os.environ | {"LD_LIBRARY_PATH": name, "PYTHONPATH": name})


def _names(module: str, environment: dict[str, str]) -> tuple[str, list[str]]:
    command = [sys.executable, "-c", LIST_NAMES, module, *CLASSES]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    version, names = json.loads(output)
    return version, names


if __name__ == "__main__" and sys.argv[1] == "--list":
    print(json.dumps(_names(sys.argv[2], dict(os.environ))))
elif __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
