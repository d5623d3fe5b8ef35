"""Any PyTorch module as ONNX: its own weights, its own outputs, and a clear word where that cannot be."""

from __future__ import annotations

import sys
import textwrap

import numpy as np
import onnx
import pytest
from running import run_onnx

from trtzoo.converters import torch_module
from trtzoo.converters.torch_module import export_module
from trtzoo.errors import InputError, MissingDependencyError, ModelError, UnsupportedError, VerificationError
from trtzoo.graph_passes.simplify import simplify_onnx

torch = pytest.importorskip("torch", reason="exporting modules is an extra")

SHAPE = (1, 3, 32, 48)
SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU())
        self.heads = nn.ModuleDict({"mask": nn.Conv2d(width, 1, 1), "edge": nn.Conv2d(width, 2, 1)})

    def forward(self, x):
        x = self.body(x)
        return {"mask": torch.sigmoid(self.heads["mask"](x)), "edges": [self.heads["edge"](x), x.mean((2, 3))]}

def small():
    return Net()

def wide():
    return Net(16)

def needs_a_word(width):
    return Net(width)

def breaks():
    raise OSError("no configuration file")

def number():
    return 3

class Branching(Net):
    def forward(self, x):
        return x * 2 if x.mean() > 0.2 else x

class Noise(Net):
    def forward(self, x):
        return x + torch.rand_like(x)

class Sorting(nn.Module):
    def forward(self, x):
        return torch.linalg.svd(x)[1]

ready = Net()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module `zoo_nets` in the current folder, forgotten afterwards."""
    (tmp_path / "zoo_nets.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    yield tmp_path
    sys.modules.pop("zoo_nets", None)


def net(package, name="small"):
    torch_module._find("zoo_nets:small")
    module = getattr(sys.modules["zoo_nets"], name)()
    for parameter in module.state_dict().values():
        if parameter.is_floating_point():
            parameter.copy_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(5)) + 0.1)
    return module.eval()


def export(package, spec="zoo_nets:small", weights=None, shape=SHAPE, opset=17, **more):
    return export_module(spec, weights, shape, opset, package / "net.onnx", **more)


def outputs(module, images):
    with torch.no_grad():
        result = module(torch.from_numpy(images))
    return [result["mask"].numpy(), *(part.numpy() for part in result["edges"])]


WAYS = {
    "a state dict": lambda module: module.state_dict(),
    "a state dict under a key": lambda module: {"epoch": 3, "state_dict": module.state_dict()},
    "of a parallel trainer": lambda module: {f"module.{name}": value for name, value in module.state_dict().items()},
    "the module itself": lambda module: {"model": module},
    "in half precision": lambda module: {name: value.half() for name, value in module.state_dict().items()},
    "of an old version": lambda module: {
        name: value for name, value in module.state_dict().items() if "num_batches" not in name
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_module_and_weights_become_onnx(way, package):
    module = net(package)
    torch.save(WAYS[way](module), package / "weights.pt")
    result = export(package, weights=package / "weights.pt")
    images = np.random.default_rng(0).random(SHAPE, np.float32)
    actual, expected = run_onnx(result.path, images), outputs(module, images)
    tolerance = 1e-2 if "half" in way else 1e-5
    for (name, values), wanted in zip(actual.items(), expected, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=tolerance, atol=tolerance, err_msg=name)
    assert result.outputs == {"output0": (1, 1, 16, 24), "output1": (1, 2, 16, 24), "output2": (1, 8)}
    assert result.difference <= torch_module.TOLERANCE
    model = onnx.load(result.path)
    assert [value.name for value in model.graph.input] == ["images"]
    assert result.nodes == len(model.graph.node)


@pytest.mark.parametrize("opset", [14, 17, 18])
def test_the_opset_is_the_wanted_one(opset, package):
    assert onnx.load(export(package, opset=opset).path).opset_import[0].version == opset


def test_a_free_batch_takes_several_images(package):
    module = net(package)
    torch.save(module.state_dict(), package / "weights.pt")
    result = export(package, weights=package / "weights.pt", dynamic=True)
    images = np.random.default_rng(0).random((5, *SHAPE[1:]), np.float32)
    for values, wanted in zip(run_onnx(result.path, images).values(), outputs(module, images), strict=True):
        np.testing.assert_allclose(values, wanted, rtol=1e-5, atol=1e-5)


def test_simplify_says_what_it_did(package):
    pytest.importorskip("onnxsim")
    result = export(package, simplify=simplify_onnx)
    assert "simplified from" in result.notes[-1]


def test_a_module_instance_needs_no_factory(package):
    assert export(package, "zoo_nets:ready").nodes > 3


def test_a_trace_that_took_a_branch_is_told(package):
    assert "taken as constants (first at zoo_nets.py:" in export(package, "zoo_nets:Branching").notes[0]


def test_weights_of_another_model_are_listed(package):
    state = net(package).state_dict()
    state["extra.weight"] = state.pop("heads.edge.weight")
    torch.save(state, package / "weights.pt")
    message = r"1 missing: heads\.edge\.weight; 1 unexpected: extra\.weight"
    with pytest.raises(ModelError, match=message):
        export(package, weights=package / "weights.pt")
    torch.save(net(package).state_dict(), package / "weights.pt")
    with pytest.raises(
        ModelError, match=r"of another shape: body\.0\.weight \[8, 3, 3, 3\] instead of \[16, 3, 3, 3\]"
    ):
        export(package, "zoo_nets:wide", package / "weights.pt")


def test_weights_are_read_without_running_them(package):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"model": Trap()}, package / "weights.pt")
    with pytest.raises(UnsupportedError, match="print"):
        export(package, weights=package / "weights.pt")


WRONG = {
    "no colon": ("zoo_nets", InputError, "expected package.module:factory"),
    "an unknown package": ("zoo_nots:small", InputError, "cannot import zoo_nots"),
    "an unknown factory": ("zoo_nets:tiny", InputError, "zoo_nets has no tiny; it has .*small, wide"),
    "a factory with arguments": ("zoo_nets:needs_a_word", InputError, "without arguments failed with TypeError"),
    "a factory that fails": ("zoo_nets:breaks", InputError, "OSError: no configuration file"),
    "no module": ("zoo_nets:number", InputError, "gives a int; it must be or return a torch.nn.Module"),
    "randomness": ("zoo_nets:Noise", VerificationError, "differs from the module by .* random numbers"),
    "an operator that ONNX lacks": ("zoo_nets:Sorting", UnsupportedError, "PyTorch cannot export .*opset 17.*svd"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_exported_is_explained(case, package):
    spec, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        export(package, spec)
    assert not list(package.glob("*.onnx"))


def test_an_input_that_does_not_fit_is_explained(package):
    with pytest.raises(UnsupportedError, match=r"cannot run on an input of 1x4x32x48: .*correct --input"):
        export(package, shape=(1, 4, 32, 48))


def test_without_torch_the_error_says_what_to_install(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'trtzoo\[torch\]'"):
        export(package)
