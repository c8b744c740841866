"""The pictures: what is in them can be read from them, and lines can be told apart without colours."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from sltpack import charts
from sltpack.charts import Line, Panel, Point, draw, require_charts, short
from sltpack.errors import RequestError

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    """Everything that is written in a picture."""
    root = ElementTree.fromstring(picture)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def line(name: str, *heights: float) -> Line:
    return Line(name, tuple(Point(place, height) for place, height in enumerate(heights, 1)))


def panel(*lines: Line) -> Panel:
    return Panel("title", "across", "up", lines)


def test_what_is_written_is_what_was_given() -> None:
    found = texts(draw([panel(line("one", 0.1, 0.2), line("two", 0.3, 0.1))]))
    for text in ("title", "across", "up", "one", "two"):
        assert found.count(text) == 1


def test_a_line_alone_has_no_legend() -> None:
    assert "alone" not in texts(draw([panel(line("alone", 0.1, 0.2))]))


def test_strangers_names_are_letters() -> None:
    name = r"<script>$\frac{1}{$ & 'ü'"
    assert name in texts(draw([panel(line(name, 1, 2), line("$x$", 2, 1))]))


def test_panels_that_reach_as_far_are_on_one_scale() -> None:
    def heights(reach: tuple[float, float] | None) -> list[float]:
        panels = [Panel("", "", "", (line("a", 0.5, high),), percent=True, y_reach=reach) for high in (0.6, 0.9)]
        found = []
        for one in panels:
            root = ElementTree.fromstring(draw([one]))
            uses = [use for use in root.iter(f"{SVG}use") if "stroke: #0072b2" in use.get("style", "")]
            found.append(float(uses[0].get("y", "")))
        return found

    alone, compared = heights(None), heights((0.1, 0.95))
    assert alone[0] == pytest.approx(alone[1])  # each at the foot of its own axis
    assert compared[0] == pytest.approx(compared[1])
    assert compared[0] < alone[0] - 50  # which now begins at 0.1


def test_points_stand_where_they_should() -> None:
    """Marks are placed by the axes: equal steps are equally far apart, on a logarithmic axis equal factors."""

    def places(x_logarithmic: bool, *where: float) -> list[float]:
        points = tuple(Point(place, 1 + index) for index, place in enumerate(where))
        picture = draw([Panel("", "", "", (Line("a", points),), x_logarithmic=x_logarithmic)])
        root = ElementTree.fromstring(picture)
        uses = [use for use in root.iter(f"{SVG}use") if "stroke: #0072b2" in use.get("style", "")]
        return [float(use.get("x", "")) for use in uses]

    for found in (places(False, 1, 2, 3), places(True, 10, 1000, 100_000)):
        assert len(found) == 3
        assert found[1] - found[0] == pytest.approx(found[2] - found[1], rel=1e-3)
        assert found[0] < found[1]


def test_bars_are_drawn_where_there_is_a_deviation() -> None:
    def size(deviation: float) -> int:
        return len(draw([panel(Line("a", (Point(1, 1, deviation), Point(2, 2, deviation))))]))

    assert size(0.1) > size(0.0)


def test_marks_are_open_so_that_points_in_one_place_are_all_seen() -> None:
    picture = draw([panel(line("one", 0.1), line("two", 0.1))])
    for colour in charts._COLOURS[:2]:
        assert f"stroke: {colour}" in picture
        assert f"fill: {colour}" not in picture
    assert charts._MARKS[0] != charts._MARKS[1]


def test_whole_numbers_alone_label_what_is_counted() -> None:
    counted = Panel("", "", "", (line("a", 0.5, 0.6, 0.55),), x_whole=True)
    found = [text for text in texts(draw([counted])) if text.replace(".", "").isdigit()]
    assert {"1", "2", "3"} <= set(found)
    assert not {"1.5", "2.5"} & set(found)
    assert "1.5" in texts(draw([replace(counted, x_whole=False)]))


def test_long_names_are_broken_and_not_cut() -> None:
    title, name = "net" * 20 + " on " + "data" * 10, "learning rate 0.5, " * 9
    picture = draw([Panel(title, "", "", (line(name, 1, 2), line("b", 2, 1)))])
    written = "".join(texts(picture)).replace(" ", "")
    assert title.replace(" ", "") in written
    assert name.replace(" ", "") in written
    assert max(map(len, texts(picture))) <= charts._LEGEND_LETTERS
    height = [
        float(ElementTree.fromstring(one).get("height", "").removesuffix("pt"))
        for one in (picture, draw([panel(line("a", 1), line("b", 2))]))
    ]
    assert height[0] > height[1]


def test_the_same_picture_is_the_same_bytes_whatever_the_user_likes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = panel(line("one", 0.1, 0.2), line("two", 0.3, 0.1))
    first = draw([lines])
    assert draw([lines]) == first
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    assert draw([lines]) == first
    assert matplotlib.rcParams["font.size"] == 30  # and is left as it was


def test_hundreds_of_lines_are_told_apart_and_few_without_colours() -> None:
    looks = [charts._look(number) for number in range(400)]
    assert len({str(look) for look in looks}) == 400
    assert len({(look["linestyle"], look["marker"]) for look in looks[:66]}) == 66


def test_one_name_looks_alike_in_every_picture() -> None:
    def colours(picture: str) -> set[str]:
        return {colour for colour in charts._COLOURS if f"stroke: {colour}; stroke-width: 1.6" in picture}

    names = ["first", "second"]
    assert colours(draw([panel(line("second", 1, 2))], names)) == {charts._COLOURS[1]}
    assert colours(draw([panel(line("second", 1, 2))])) == {charts._COLOURS[0]}


def test_panels_share_a_legend() -> None:
    found = texts(draw([panel(line("one", 1, 2), line("two", 2, 1)), panel(line("one", 3, 1))]))
    assert found.count("one") == 1
    assert found.count("title") == 2


def test_a_guide_is_drawn_behind() -> None:
    guided = Panel("", "", "", (line("a", 1, 2),), guide=(Point(1, 1), Point(2, 2)))
    assert "#777777" in draw([guided])
    assert "#777777" not in draw([panel(line("a", 1, 2))])


@pytest.mark.parametrize("most", [1.0001, 1.001, 1.012, 1.1, 1.5, 2, 3, 20, 500, 10**6])
def test_a_logarithmic_axis_is_labelled_whatever_it_spans(most: float) -> None:
    spanned = Panel("", "", "up", (Line("a", (Point(105_760, 1), Point(105_760 * most, 2))),), x_logarithmic=True)
    found = [text for text in texts(draw([spanned])) if text.endswith((" k", " M", " G")) or "," in text]
    assert 2 <= len(found) <= 10
    assert len(set(found)) == len(found)


def test_shares_are_written_in_percent() -> None:
    found = texts(draw([Panel("", "", "", (line("a", 0.5, 0.75),), percent=True)]))
    assert "50 %" in found


def test_many_points_have_few_marks() -> None:
    picture = draw([panel(line("a", *range(100)))])
    assert picture.count("<use") < 40


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.25, "0.25"), (340, "340"), (999.6, "1 k"), (136_000, "136 k"), (2_261_184, "2.26 M"), (3e9, "3 G")],
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    require_charts("--svg")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RequestError) as caught:
        require_charts("--svg")
    assert str(caught.value) == (
        "--svg: expected the package matplotlib, found none; install it: pip install 'sltpack[figures]'"
    )


def test_no_file_is_left_or_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw([panel(line("a", 1, 2))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", ["module://no_such_package.backend", "nonsense"])
def test_a_backend_of_the_environment_does_not_matter(backend: str) -> None:
    code = (
        "import os\nfrom sltpack.charts import *\nrequire_charts('here')\n"
        "print(draw([Panel('t', 'x', 'y', (Line('a', (Point(1, 2),)),))]), os.environ['MPLBACKEND'])"
    )
    command, environment = [sys.executable, "-c", code], {**os.environ, "MPLBACKEND": backend}
    drawn = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert drawn.startswith("<?xml") and drawn.endswith(f"</svg>\n {backend}\n")
