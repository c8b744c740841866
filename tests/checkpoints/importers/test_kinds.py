"""Foreign checkpoints of every kind, made by small independent forms of the codes' forward rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sltpack.checkpoints.importers.conversion import convert
from sltpack.checkpoints.importers.foreign import AUTO, Choices, Foreign, take_apart
from sltpack.checkpoints.importers.kinds import KINDS, choose
from sltpack.errors import FormatError, RequestError
from sltpack.format import container as containers
from sltpack.models.building import build_ticket
from sltpack.tickets.ticket import Ticket

RANDOM = np.random.default_rng(7)
SHAPES = {"convs.0": (4, 3, 3, 3), "convs.2": (5, 4, 3, 3), "linear": (3, 20)}


def normal(shape: tuple[int, ...]) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def layers(**parts: Any) -> dict[str, np.ndarray]:
    """A state dict with normal weights, and for each layer the parts that a function of its shape makes."""
    state = {}
    for name, shape in SHAPES.items():
        state[f"{name}.weight"] = normal(shape)
        state |= {f"{name}.{part}": make(shape) for part, make in parts.items()}
    return state


def read(kind: str, values: dict[str, Any], choices: Choices | None = None) -> dict[str, np.ndarray]:
    foreign = take_apart("x.pt", values)
    assert choose(kind, foreign) == (kind if kind != AUTO else choose(AUTO, foreign))
    importer = KINDS[choose(kind, foreign)]
    found = importer.read(foreign, choices or Choices())
    effective = {layer.parameter: layer.effective for layer in found}
    # What is packed gives the same weights, bit for bit, but for the sign of zeros.
    imported = convert(foreign, kind, importer, choices or Choices(), values="f32")
    written = containers.encode(imported.ticket.to_container())
    state = Ticket.from_container(containers.decode(written, "x.slt"), "x.slt").state()
    for name, values in effective.items():
        assert np.array_equal(state[name].view(np.uint32), (values + np.float32(0)).view(np.uint32)), name
    return effective


def smallest(scores: np.ndarray, count: int) -> set[int]:
    flat = np.abs(scores).ravel().tolist()
    return set(sorted(range(len(flat)), key=lambda i: flat[i])[:count])


def test_hidden_networks_keeps_the_share_that_its_prune_rate_says() -> None:
    state = layers(scores=normal)
    effective = read(AUTO, {"state_dict": {f"module.{k}": v for k, v in state.items()}, "arch": "x"}, Choices((0.3,)))
    for name, shape in SHAPES.items():
        gone = smallest(state[f"{name}.scores"], int(0.7 * np.prod(shape)))
        flat = state[f"{name}.weight"].ravel()
        expected = [0.0 if i in gone else flat[i] for i in range(flat.size)]
        assert effective[f"{name}.weight"].ravel().tolist() == pytest.approx(expected, abs=0)
    other = read("hidden-networks", state, Choices(sparsities=(0.7,)))
    assert all(np.array_equal(other[name], effective[name]) for name in other)


def test_frozen_takes_what_is_locked_and_what_is_above_the_threshold() -> None:
    state = layers(
        score=normal,
        ternary_frozen_mask=lambda shape: RANDOM.integers(-1, 2, shape).astype(np.float32),
        scale=lambda shape: np.array(1.5, np.float32),
        kthvalue=lambda shape: np.array([0.4], np.float32),
    )
    effective = read(AUTO, state)
    for name in SHAPES:
        frozen, scores = state[f"{name}.ternary_frozen_mask"], state[f"{name}.score"]
        kept = np.where(frozen == 0, np.abs(scores) > np.float32(0.4), frozen == 1)
        assert np.array_equal(effective[f"{name}.weight"], np.where(kept, state[f"{name}.weight"] * np.float32(1.5), 0))


@pytest.mark.parametrize("conv_type", ["SubnetConv", "GlobalSubnetConv"])
def test_biprop_multiplies_with_signs_times_the_mean_size(conv_type: str) -> None:
    state = layers(scores=normal)
    effective = read(AUTO, {"state_dict": state, "conv_type": conv_type, "prune_rate": 0.4})
    total = sum(int(np.prod(shape)) for shape in SHAPES.values())
    everything = np.sort(np.concatenate([np.abs(state[f"{name}.scores"]).ravel() for name in SHAPES]))
    threshold = everything[int((1 - 0.4) * total) - 1]
    for name, shape in SHAPES.items():
        size = int(np.prod(shape))
        scores, weights = np.abs(state[f"{name}.scores"]).ravel(), state[f"{name}.weight"].ravel()
        gone = smallest(scores, int((1 - 0.4) * size))
        kept = scores > threshold if "Global" in conv_type else np.array([i not in gone for i in range(size)])
        divisor = kept.sum() if "Global" in conv_type else int(0.4 * size)
        alpha = np.abs(weights[kept]).astype(np.float64).sum() / divisor
        found = effective[f"{name}.weight"].ravel()
        assert np.array_equal(found != 0, kept)
        assert np.array_equal(np.sign(found[kept]), np.sign(weights[kept]))
        assert np.abs(found[kept]) == pytest.approx(alpha, rel=1e-6)
        assert len(np.unique(np.abs(found[kept]))) == 1


def test_gem_miner_rounds_scores_and_obeys_flags() -> None:
    state = layers(
        scores=lambda shape: RANDOM.random(shape).astype(np.float32),
        flag=lambda shape: RANDOM.integers(0, 2, shape).astype(np.int32),
        bias_flag=lambda shape: np.array([np.nan], np.float32),
    )
    effective = read(AUTO, state)
    for name in SHAPES:
        kept = (state[f"{name}.scores"] > 0.5) & (state[f"{name}.flag"] == 1)
        assert np.array_equal(effective[f"{name}.weight"], np.where(kept, state[f"{name}.weight"], 0))


def test_gem_miners_other_rules_have_to_be_named_since_no_file_tells_them() -> None:
    state = layers(scores=normal, flag=lambda shape: np.ones(shape, np.float32))
    with pytest.raises(FormatError, match="pass --from with gem-miner-ep or gem-miner-global-ep"):
        read(AUTO, state, Choices((0.6,)))
    by_layer = read("gem-miner-ep", state, Choices((0.4,)))
    total = sum(int(np.prod(shape)) for shape in SHAPES.values())
    assert sum(np.count_nonzero(values == 0) for values in by_layer.values()) == sum(
        int((1 - 0.4) * np.prod(shape)) for shape in SHAPES.values()
    )
    whole = read("gem-miner-global-ep", state, Choices((0.6,)))
    assert sum(np.count_nonzero(values == 0) for values in whole.values()) == int(np.ceil(0.6 * total))


@pytest.mark.parametrize(("kind", "prefix"), [("iterand", ""), ("ugt", "layers_GCN.")])
def test_signed_scores_keep_from_a_rank_on(kind: str, prefix: str) -> None:
    state = {f"{prefix}{name}": values for name, values in layers(weight_score=normal).items()}
    effective = read(AUTO, {"model_state_dict": state}, Choices((0.6,)))
    everything = np.concatenate([state[f"{prefix}{name}.weight_score"].ravel() for name in SHAPES])
    for name in SHAPES:
        scores = state[f"{prefix}{name}.weight_score"]
        among = everything if kind == "ugt" else scores.ravel()
        threshold = np.sort(among)[round(0.6 * (among.size - 1))]
        expected = np.where(scores >= threshold, state[f"{prefix}{name}.weight"], 0)
        assert np.array_equal(effective[f"{prefix}{name}.weight"], expected)


def test_the_last_layer_of_iterand_may_have_its_own_rate() -> None:
    state = layers(weight_score=normal)
    effective = read("iterand", state, Choices((0.5, 0.2)))
    zeros = {name: np.count_nonzero(values == 0) for name, values in effective.items()}
    assert zeros == {"convs.0.weight": 54, "convs.2.weight": 90, "linear.weight": 12}


def test_supsup_has_a_ticket_for_each_task() -> None:
    state = layers(**{"scores.0": normal, "scores.1": normal})
    values = {"state_dict": state, "args": {"conv_type": "FastMultitaskMaskConv"}}
    with pytest.raises(RequestError, match="expected one of the tasks 0, 1, found none was chosen; pass --task"):
        read(AUTO, values)
    effective = read(AUTO, values, Choices(task=1))
    for name in SHAPES:
        expected = np.where(state[f"{name}.scores.1"] >= 0, state[f"{name}.weight"], 0)
        assert np.array_equal(effective[f"{name}.weight"], expected)
    values["args"] = {"conv_type": "MultitaskMaskConv", "sparsity": 4.0, "er_sparsity": True}
    effective = read(AUTO, values, Choices(task=0))
    kept = min(0.5, 4.0 * 7 / 108)
    assert np.count_nonzero(effective["convs.0.weight"]) == 108 - int((1 - kept) * 108)


def test_multicoated_weights_count_as_often_as_coats_keep_them() -> None:
    state = layers(score=normal, scale=lambda shape: np.array([0.25], np.float32)) | {
        f"{name}.weight": np.sign(normal(shape)) for name, shape in SHAPES.items()
    }
    effective = read(AUTO, {"state_dict": state, "meta": {}}, Choices((0.5, 0.9)))
    for name in SHAPES:
        size = np.abs(state[f"{name}.score"])
        times = sum((size >= np.sort(size.ravel())[1 + int(r * (size.size - 1))]).astype(int) for r in (0.5, 0.9))
        assert np.array_equal(effective[f"{name}.weight"], state[f"{name}.weight"] * times * np.float32(0.25))


def test_masks_of_torch_and_of_ones_own() -> None:
    weights, mask = normal((4, 6)), RANDOM.integers(0, 2, (4, 6)).astype(np.float32)
    state = {"fc.weight_orig": weights, "fc.weight_mask": mask, "fc.bias": normal((4,))}
    assert np.array_equal(read(AUTO, state)["fc.weight"], weights * mask)
    state = {"fc.mask": mask.astype(np.uint8), "fc.weight": weights}
    assert np.array_equal(read(AUTO, state)["fc.weight"], np.where(mask == 1, weights, 0))
    signs = np.sign(weights).astype(np.int8)
    state = {"fc.mask": mask.astype(np.uint8), "fc.sign": signs, "fc.step": np.array([0.5], np.float32)}
    assert np.array_equal(read(AUTO, state)["fc.weight"], signs * mask * np.float32(0.5))


def test_what_is_missing_or_strange_is_named() -> None:
    state = layers(scores=normal)
    with pytest.raises(RequestError, match=r"x.pt: expected to be told the rate, which this file does not hold \(pr"):
        read("hidden-networks", state)
    with pytest.raises(RequestError, match=r"expected rates in 0..1, found 30; pass shares, such as 0.3"):
        read("hidden-networks", state, Choices((30.0,)))
    with pytest.raises(RequestError, match="expected one rate for all layers, found 2"):
        read("hidden-networks", state, Choices((0.3, 0.4)))
    state["linear.weight"] = state["linear.weight"][:2]
    with pytest.raises(FormatError, match=r"expected linear.weight, float32 \[3, 20\], found float32 \[2, 20\]"):
        read("hidden-networks", state, Choices((0.3,)))
    state["convs.0.scores"][0] = np.nan
    with pytest.raises(FormatError, match=r"expected finite float32 numbers in convs.0.scores"):
        read("hidden-networks", state, Choices((0.3,)))
    with pytest.raises(RequestError, match=r"did you mean biprop\?"):
        read("bi-prop", state)
    with pytest.raises(FormatError, match="expected a checkpoint with tensors by name, found none"):
        take_apart("x.pt", {"epoch": 3})
    with pytest.raises(
        FormatError, match="expected a checkpoint whose names tell which code wrote it, found names such"
    ):
        choose(AUTO, Foreign("x.pt", {"fc.weight": normal((2, 2))}))


def test_prefixes_of_wrappers_are_understood() -> None:
    state = {f"_orig_mod.module.{name}": values for name, values in layers(scores=normal).items()}
    assert set(read("hidden-networks", state, Choices((0.3,)))) == {f"{name}.weight" for name in SHAPES}


def test_signs_coats_and_values_are_chosen_by_the_kept_weights() -> None:
    signs = layers(scores=normal) | {f"{name}.weight": 0.5 * np.sign(normal(shape)) for name, shape in SHAPES.items()}
    signs |= {"norm.running_mean": normal((3,)), "norm.num_batches_tracked": np.array(7)}
    foreign = take_apart("x.pt", signs)
    imported = convert(foreign, "hidden-networks", KINDS["hidden-networks"], Choices((0.3,)))
    assert imported.ticket.origin == "signs stored"
    assert imported.ticket.source.planes == ("sign",)
    assert list(imported.ticket.buffers) == ["norm.running_mean"]
    assert imported.left_out == ("norm.num_batches_tracked",)
    assert imported.described.startswith("hidden-networks: 30.5 % kept, 69.5 % removed; signs and one step a layer")

    foreign = take_apart("x.pt", layers(scores=normal))
    with pytest.raises(
        RequestError, match=r"x.pt: convs.0.weight: expected kept weights that are plus or minus one num"
    ):
        convert(foreign, "hidden-networks", KINDS["hidden-networks"], Choices((0.3,)))
    half = convert(foreign, "hidden-networks", KINDS["hidden-networks"], Choices((0.3,)), values="f16").ticket
    assert half.origin == "values stored"
    kept = foreign.tensors["linear.weight"].astype(np.float16).astype(np.float32)
    found = half.state()["linear.weight"]
    assert np.array_equal(found, np.where(found == 0, 0, kept))

    coats = layers(score=normal, scale=lambda shape: np.array([0.25], np.float32))
    coats |= {f"{name}.weight": np.sign(normal(shape)) for name, shape in SHAPES.items()}
    imported = convert(take_apart("x.pt", coats), "multicoated", KINDS["multicoated"], Choices((0.5, 0.75, 0.9)))
    assert imported.ticket.source.planes == ("coat 2", "coat 3", "sign")


def test_a_ticket_of_another_code_is_not_run_but_says_why() -> None:
    foreign = take_apart("x.pt", layers(scores=normal))
    ticket = convert(foreign, "hidden-networks", KINDS["hidden-networks"], Choices((0.3,)), values="f32").ticket
    with pytest.raises(RequestError, match=r"x.slt: expected a ticket that names its network, .*sltpack unpack"):
        build_ticket(ticket, where="x.slt")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "supsup"])
def test_a_file_without_layers_of_its_kind_is_refused(kind: str) -> None:
    foreign = take_apart("x.pt", {"fc.weight": normal((2, 2))})
    with pytest.raises(FormatError, match=r"^x\.pt: expected .*, found none; check that --from names the code"):
        convert(foreign, kind, KINDS[kind], Choices((0.5,)), values="f32")


def test_numbers_that_a_ticket_cannot_hold_are_not_left_out() -> None:
    foreign = take_apart("x.pt", layers(scores=normal) | {"norm.running_var": np.array([np.inf], np.float32)})
    with pytest.raises(FormatError, match=r"x.pt: expected finite float32 or float16 numbers in norm.running_var"):
        convert(foreign, "hidden-networks", KINDS["hidden-networks"], Choices((0.3,)), values="f32")
