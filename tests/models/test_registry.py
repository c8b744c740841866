"""The networks have the weights that the literature counts, and fit what they are given."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from sltpack import models
from sltpack.errors import FormatError, RequestError
from sltpack.format.records import ModelSpec


def sizes(name: str, width: float = 1.0, classes: int = 10, shape: tuple[int, int, int] = (3, 32, 32)) -> list[int]:
    return [math.prod(s) for s in models.shapes(models.spec(name, width, classes, shape)).values()]


@pytest.mark.parametrize(
    ("name", "weights", "layers"),
    [
        ("conv2", 4300992, 5),
        ("conv4", 2425024, 7),
        ("conv6", 2261184, 9),
        ("conv8", 5275840, 11),
        ("resnet18", 11164352, 21),
        ("resnet34", 21265088, 37),
    ],
)
def test_weights_at_width_one(name: str, weights: int, layers: int) -> None:
    assert sum(sizes(name)) == weights
    assert len(sizes(name)) == layers


def test_conv6_layer_by_layer() -> None:
    assert sizes("conv6") == [1728, 36864, 73728, 147456, 294912, 589824, 1048576, 65536, 2560]


@pytest.mark.parametrize("name", sorted(set(models.MODELS) - set(models.FOR_GRAPHS)))
@pytest.mark.parametrize(("width", "classes", "shape"), [(0.125, 7, (1, 16, 24)), (0.3, 100, (4, 33, 16))])
def test_any_width_classes_and_input(name: str, width: float, classes: int, shape: tuple[int, int, int]) -> None:
    model = models.build(models.spec(name, width, classes, shape))
    assert model(torch.zeros(2, *shape)).shape == (2, classes)
    assert all(not isinstance(m, nn.BatchNorm2d) or not m.affine for m in model.modules())


def test_resnet_shortcuts_are_searched() -> None:
    shapes = models.shapes(models.spec("resnet18", 1.0, 10, (3, 32, 32)))
    assert [name for name in shapes if "shortcut" in name] == [f"blocks.{n}.shortcut.0" for n in (2, 4, 6)]


def test_no_memory_is_taken_for_shapes() -> None:
    assert sum(sizes("conv8", 1000.0)) > 4e12


@pytest.mark.parametrize(
    ("name", "builder", "message"),
    [
        (
            "vgg",
            None,
            "m.slt: model vgg: expected conv2, conv4, conv6, conv8, resnet18, resnet34, resnet50, imagenet-resnet18, "
            "imagenet-resnet34, imagenet-resnet50, gin or package.module:builder, found 'vgg'; choose one of these",
        ),
        (
            "some.code:build",
            None,
            "m.slt: model some.code:build: expected --model with the same name, since a file never runs code by itself, "
            "found no --model; if you trust that code, pass --model some.code:build",
        ),
        (
            "some.code:build",
            "other:build",
            "m.slt: model some.code:build: expected --model with the same name, since a file never runs code by itself, "
            "found --model other:build; if you trust that code, pass --model some.code:build",
        ),
        (
            "no_such_package:build",
            "no_such_package:build",
            "--model no_such_package:build: expected package.module:function that can be imported, found "
            "ModuleNotFoundError: No module named 'no_such_package'; install the package, run from its folder or fix it",
        ),
        (
            "..:x",
            "..:x",
            "--model ..:x: expected package.module:function that can be imported, found TypeError: the 'package' argument "
            "is required to perform a relative import for '..'; install the package, run from its folder or fix it",
        ),
        (
            "math:no_such_name",
            "math:no_such_name",
            "--model math:no_such_name: expected package.module:function that can be imported, found AttributeError: "
            "module 'math' has no attribute 'no_such_name'; install the package, run from its folder or fix it",
        ),
        (
            "math:pi",
            "math:pi",
            "--model math:pi: expected a function, found float; name a builder",
        ),
        (
            "math:sqrt",
            "math:sqrt",
            "m.slt: model math:sqrt: expected a builder that takes width, classes and input_shape, found TypeError: "
            "math.sqrt() takes no keyword arguments; fix the builder or choose another input shape or width",
        ),
    ],
)
def test_unknown_models(name: str, builder: str | None, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        models.build(models.spec(name, 1.0, 10, (3, 32, 32)), builder, "m.slt")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"width": 1.0, "classes": 10, "input_shape": [3, 32, 32], "depth": 5},
        {"width": 1e9, "classes": 10, "input_shape": [3, 32, 32]},
        {"width": "wide", "classes": 10, "input_shape": [3, 32, 32]},
        {"width": 1.0, "classes": 0, "input_shape": [3, 32, 32]},
        {"width": 1.0, "classes": 10, "input_shape": [3, 32]},
        {"width": 1.0, "classes": 10, "input_shape": [3, 32, 10**6]},
    ],
)
def test_arguments_from_a_file_are_checked(arguments: dict[str, object]) -> None:
    with pytest.raises(FormatError) as caught:
        models.build(ModelSpec("conv2", arguments), where="m.slt")
    assert str(caught.value) == (
        "m.slt: model conv2: expected a width of up to 1024, classes, and an input_shape up to 65536: channels, height, width, "
        f"found {arguments}; choose other arguments"
    )


@pytest.mark.parametrize(("name", "least"), [("conv2", "0.0078"), ("resnet18", "0.0078"), ("gin", "0.0013")])
def test_a_width_at_which_layers_would_have_no_channel(name: str, least: str) -> None:
    shape = (8,) if name == "gin" else (1, 8, 8)
    with pytest.raises(RequestError) as caught:
        models.spec(name, 0.001, 10, shape)
    assert str(caught.value) == (
        f"--width: expected at least {least}, at which the narrowest layer of {name} has half a channel, rounded to one, "
        "found 0.001; choose a larger one"
    )
    assert models.shapes(models.spec(name, 0.008, 10, shape))


def test_an_input_too_small() -> None:
    with pytest.raises(RequestError) as caught:
        models.shapes(models.spec("conv8", 1.0, 10, (1, 8, 8)))
    assert str(caught.value) == (
        "model conv8: expected images large enough to be halved so often, found images of 8x8 pixels, where 16x16 "
        "are the least; choose a shallower model or larger images"
    )


@pytest.mark.parametrize(
    ("width", "classes", "shape"),
    [(1.0, 0, (3, 32, 32)), (1.0, 10, (3, 32, 10**6))],
)
def test_arguments_from_a_call_are_a_wrong_call(width: float, classes: int, shape: tuple[int, int, int]) -> None:
    with pytest.raises(RequestError) as caught:
        models.spec("conv2", width, classes, shape)
    assert str(caught.value) == (
        "model conv2: expected a width of up to 1024, classes, and an input_shape up to 65536: channels, height, width, "
        f"found {{'width': {width}, 'classes': {classes}, 'input_shape': {list(shape)}}}; choose other arguments"
    )


@pytest.mark.parametrize("width", [math.nan, math.inf, 2000.0, 0.0, -1.0])
def test_a_width_from_a_call_is_named_as_the_option(width: float) -> None:
    with pytest.raises(RequestError) as caught:
        models.spec("conv2", width, 10, (3, 32, 32))
    assert str(caught.value) == f"--width: expected a number above 0 and up to 1024, found {width:g}; choose another"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def build(:", "SyntaxError: invalid syntax (broken_model.py, line 1)"),
        ("raise KeyError('lost')", "KeyError: 'lost'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_code_that_fails_as_it_is_imported(
    text: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_model.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError) as caught:
        models.build(models.spec("broken_model:build", 1.0, 10, (3, 8, 8)), "broken_model:build")
    assert str(caught.value) == (
        f"--model broken_model:build: expected package.module:function that can be imported, found {found}; install the "
        "package, run from its folder or fix it"
    )


def test_the_working_folder_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model_of_the_folder.py").write_text("import torch\n\ndef build(**_):\n    return torch.nn.ReLU()\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    name = "model_of_the_folder:build"
    assert isinstance(models.build(models.spec(name, 1.0, 10, (3, 8, 8)), name), nn.ReLU)
    assert sys.path == [*before, str(tmp_path)]


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (
            "builtins:dict",
            "m.slt: model builtins:dict: expected a builder that returns a torch.nn.Module, found dict; fix the builder",
        ),
        (
            "sys:exit",
            "m.slt: model sys:exit: expected a builder that takes width, classes and input_shape, found TypeError: "
            "sys.exit() takes no keyword arguments; fix the builder or choose another input shape or width",
        ),
    ],
)
def test_builders_that_build_no_model(builder: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        models.build(models.spec(builder, 1.0, 10, (3, 8, 8)), builder, "m.slt")
    assert str(caught.value) == message


class Given(nn.Module):
    """A model that runs as a test says."""

    def __init__(self, run: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False)
        self.run = run

    def forward(self, x: torch.Tensor) -> object:
        return self.run(x)


def _exit(_: torch.Tensor) -> None:
    sys.exit("enough")


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (lambda x: {}["scores"], "KeyError: 'scores'"),
        (_exit, "SystemExit: enough"),
        (lambda x: (x, x), "a result of type tuple"),
        (lambda x: x.new_zeros(2, 4), "float32 of shape [2, 4] from [2, 1, 6, 8]"),
        (lambda x: x.new_zeros(3), "float32 of shape [3] from [2, 1, 6, 8]"),
        (lambda x: torch.zeros(2, 3, dtype=torch.int64), "int64 of shape [2, 3] from [2, 1, 6, 8]"),
    ],
)
def test_models_that_do_not_run(run: Callable[[torch.Tensor], object], found: str) -> None:
    with pytest.raises(RequestError) as caught:
        models.try_out(Given(run), models.spec("own:net", 1.0, 3, (1, 6, 8)), "m.slt")
    assert str(caught.value) == (
        f"m.slt: model own:net: expected scores of shape (B, 3) from images of shape (B, 1, 6, 8), found {found}; fix the "
        "model"
    )


def test_a_model_that_runs_is_run_once_as_it_will_be() -> None:
    seen = []

    def run(x: torch.Tensor) -> torch.Tensor:
        seen.append((tuple(x.shape), model.training, torch.is_grad_enabled()))
        assert x.is_contiguous(memory_format=torch.channels_last)
        return x.new_zeros(2, 3)

    model = Given(run)
    models.try_out(model, models.spec("own:net", 1.0, 3, (2, 6, 8)))
    assert seen == [((2, 2, 6, 8), False, False)]


def test_lazy_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_model.py").write_text(
        "from torch import nn\n\ndef build(width, classes, input_shape):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes, bias=False))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RequestError) as caught:
        models.shapes(models.spec("lazy_model:build", 1.0, 10, (1, 8, 8)), "lazy_model:build")
    assert str(caught.value).startswith(
        "model lazy_model:build: expected layers whose shapes are known when they are built, found "
    )
    assert str(caught.value).endswith("; give lazy layers their sizes")


def test_a_ticket_of_sltpacks_model_needs_no_builder() -> None:
    with pytest.raises(RequestError) as caught:
        models.build(models.spec("conv2", 1.0, 10, (1, 8, 8)), "mine:build", "m.slt")
    assert str(caught.value).endswith("found --model mine:build; leave --model out")
