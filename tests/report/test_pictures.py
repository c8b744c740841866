"""What is drawn of which runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sltpack.charts import Line
from sltpack.checkpoints.results import Result
from sltpack.report.groups import sections_of
from sltpack.report.pictures import Picture, names_of, pictures_of
from sltpack.report.runs import TRAINED, Run
from sltpack.source.ratios import place

SIZE = 1000


def search(seed: int = 0, *, sparsity: float = 0.5, prune: float = 0.25, lock: float = 0.25, **others: Any) -> Run:
    """A search that was never made; its accuracy follows from what it was told."""
    width = others.get("width", 1.0)
    traits = {
        "data": "digits",
        "model": "conv6",
        "method": "edge-popup",
        "init": "ku",
        "scale": "none",
        "ratios": "epl",
        "freeze": round(prune + lock, 12),
        "prune": prune,
        "lock": lock,
        "sparsity": sparsity,
        "width": width,
        "epochs": 10,
        **others,
    }
    weights = round(SIZE * width**2)
    searched = round(weights * (1 - prune - lock))
    accuracy = round(sparsity * (1 - sparsity) + 0.01 * seed, 6)
    result = Result(weights, searched, sparsity, prune, lock, 9, 0.5, accuracy, searched + 5000)
    curve = (0.1, 0.2, accuracy)
    return Run(f"s/{sorted(traits.items(), key=str)},{seed}", traits, {"seed": seed}, result, curve)


def trained(seed: int = 0, width: float = 1.0) -> Run:
    run = search(seed, width=width)
    frozen = dict.fromkeys(("scale", "ratios", "freeze", "prune", "lock", "sparsity"))
    traits = {**run.traits, **frozen, "method": TRAINED}
    result = Result(run.result.weights, run.result.weights, None, None, None, 9, 0.9, 0.8, 32 * run.result.weights)
    return Run(f"s/trained{width},{seed}", traits, run.seeds, result, run.curve)


def drawn(*runs: Run) -> list[Picture]:
    (section,) = sections_of(runs)
    return pictures_of(section)


def coordinates(line: Line) -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in line.points]


SPARSITIES = (0.1, 0.3, 0.5, 0.7, 0.9)


def test_positions_a_panel_for_each_way_to_share_and_a_line_for_each_place() -> None:
    pictures = drawn(
        *(
            search(seed, sparsity=k, prune=p, lock=0.5 - p, ratios=ratios)
            for seed in (0, 1)
            for k in SPARSITIES
            for p in (0.0, 0.25, 0.5)
            for ratios in ("epl", "erk")
            if p <= k <= 0.5 + p
        )
    )
    assert [picture.kind for picture in pictures] == ["sparsity-epl", "sparsity-erk"]
    assert [picture.panel.title for picture in pictures] == ["conv6 on digits, EPL", "conv6 on digits, ERK"]
    lines = pictures[0].panel.lines
    assert [line.name for line in lines] == ["p = 0, l = 0.5", "p = 0.25, l = 0.25", "p = 0.5, l = 0"]
    assert coordinates(lines[1]) == [(0.3, 0.215), (0.5, 0.255), (0.7, 0.215)]
    assert [point.deviation for point in lines[1].points] == pytest.approx([0.01 / 2**0.5] * 3)
    assert (
        pictures[0].caption
        == "9 points from 18 runs: 2 seeds, 10 epochs; the bars are the standard deviation over seeds"
    )


def test_sparsity_a_line_for_each_freezing_ratio_along_which_the_search_space_moves() -> None:
    def placed(freeze: float, sparsity: float, **others: Any) -> Run:
        prune, lock = place(sparsity, freeze)
        return search(sparsity=sparsity, prune=prune, lock=lock, **others)

    runs = [placed(f, k, model=model) for f in (0.0, 0.5, 0.9) for k in SPARSITIES for model in ("conv6", "gin")]
    pictures = drawn(*runs)
    assert [picture.panel.title for picture in pictures] == ["conv6 on digits", "gin on digits"]
    for picture in pictures:
        assert [line.name for line in picture.panel.lines] == ["dense", "f = 0.5", "f = 0.9"]
        assert all([point.x for point in line.points] == list(SPARSITIES) for line in picture.panel.lines)
        assert picture.caption == "15 points from 15 runs: 1 seed, 10 epochs"


def test_width_a_line_for_each_source_over_space_and_bits() -> None:
    sources = {"dense": (0.5, 0.0, 0.0), "sparse, p = 0.5": (0.75, 0.5, 0.0), "frozen, f = 0.5": (0.5, 0.25, 0.25)}
    runs = [search(sparsity=k, prune=p, lock=lock, width=w) for k, p, lock in sources.values() for w in (0.5, 1.0, 2.0)]
    space, bits = drawn(*runs)
    assert (space.kind, bits.kind) == ("space", "bits")
    assert {line.name for line in space.panel.lines} == set(sources)
    assert [line.name for line in space.panel.lines] == [line.name for line in bits.panel.lines]
    named = {line.name: line for line in space.panel.lines}
    assert [point.x for point in named["dense"].points] == [250, 1000, 4000]
    assert [point.x for point in named["frozen, f = 0.5"].points] == [125, 500, 2000]
    assert space.panel.x_logarithmic


def test_size_has_trained_weights_over_bits_alone() -> None:
    space, bits = drawn(
        *(search(width=w, init=i) for w in (0.5, 1.0) for i in ("ku", "skc")), trained(), trained(0, 0.5)
    )
    assert [line.name for line in space.panel.lines] == ["KU", "SKC"]
    assert [line.name for line in bits.panel.lines] == ["KU", "SKC", "trained weights, KU"]
    assert [point.x for point in bits.panel.lines[2].points] == [8000, 32000]
    assert names_of([space, bits]) == ["KU", "SKC", "trained weights, KU"]


def test_the_table_is_drawn_over_bits() -> None:
    (picture,) = drawn(search(0), search(1), search(0, prune=0.0, lock=0.0), trained())
    assert picture.kind == "bits"
    assert picture.caption == (
        "3 points from 4 runs: 1 to 2 seeds, 10 epochs; the bars are the standard deviation over seeds"
    )


def test_a_run_alone_is_drawn_over_its_epochs() -> None:
    (picture,) = drawn(search(0), search(1))
    assert picture.kind == "epochs"
    assert coordinates(picture.panel.lines[0]) == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.255))]


def test_runs_without_files_are_not_over_bits() -> None:
    runs = [search(width=width) for width in (0.5, 1.0)]
    runs = [Run(r.name, r.traits, r.seeds, Result(**{**r.result.told(), "bits": None}), r.curve) for r in runs]
    assert [picture.kind for picture in drawn(*runs)] == ["space"]


def test_fixed_places_are_not_joined_though_their_sparsities_differ() -> None:
    runs = [search(sparsity=k, prune=0.0, lock=0.5) for k in (0.1, 0.2, 0.3)]
    runs += [search(sparsity=k, prune=0.5, lock=0.0) for k in (0.7, 0.8, 0.9)]
    (picture,) = drawn(*runs)
    assert [line.name for line in picture.panel.lines] == ["p = 0, l = 0.5", "p = 0.5, l = 0"]


def test_what_is_compared_is_on_one_scale() -> None:
    runs = [search(sparsity=sparsity, ratios=ratios) for sparsity in (0.3, 0.5, 0.7) for ratios in ("epl", "erk")]
    runs += [search(seed, sparsity=0.9, prune=0.4, lock=0, ratios="erk") for seed in (0, 1)]
    other = [search(sparsity=sparsity, model="conv2") for sparsity in (0.3, 0.5, 0.7)]
    pictures = drawn(*runs, *other)
    assert [picture.panel.title for picture in pictures] == [
        "conv2 on digits",
        "conv6 on digits, EPL",
        "conv6 on digits, ERK",
    ]
    other_reach, *reaches = [picture.panel.y_reach for picture in pictures]
    assert other_reach == pytest.approx((0.21, 0.25))
    assert reaches[0] == reaches[1]
    assert reaches[0] == pytest.approx((0.095 - 0.01 / 2**0.5, 0.25))  # to the foot of the lowest bar


def test_lines_are_kept_apart_by_exact_values() -> None:
    (picture,) = drawn(*(search(sparsity=k, prune=p, lock=0.2) for k in (0.4, 0.5, 0.6) for p in (0.3, 0.30000001)))
    assert len(picture.panel.lines) == 2
    assert all(len(line.points) == 3 for line in picture.panel.lines)
    assert len(names_of([picture])) == 2


def test_what_a_picture_leaves_out_is_named_below_it() -> None:
    runs = [search(sparsity=k) for k in (0.3, 0.5, 0.7)]
    (picture,) = drawn(*runs, trained())
    assert picture.caption == "3 points from 3 runs: 1 seed, 10 epochs; not in this picture: trained weights"
    unpacked = [replace(run, result=replace(run.result, bits=None)) for run in [search(width=w) for w in (0.5, 1.0)]]
    space, bits = drawn(*(search(width=w, init="skc") for w in (0.5, 1.0)), *unpacked)
    assert "not in" not in space.caption
    assert bits.caption.endswith("; not in this picture: KU, width 0.5; KU, width 1")
    curves = drawn(
        *(replace(search(batch_size=size), result=replace(search().result, bits=None)) for size in range(20))
    )
    assert curves[0].caption.endswith(
        "; not in this picture: batch size 12; batch size 13; batch size 14; batch size 15; batch size 16; "
        "batch size 17; and 2 more"
    )


def test_epochs_are_counted() -> None:
    (picture,) = drawn(search(0), search(1))
    assert picture.panel.x_whole
