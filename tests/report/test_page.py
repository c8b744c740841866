"""The page is one whole HTML file that asks for nothing and runs nothing, whatever strangers called their things."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from sltpack import __version__
from sltpack.checkpoints.results import Result
from sltpack.report.groups import Report, sections_of
from sltpack.report.reports import drawn
from sltpack.report.runs import TRAINED, LeftOut, Run, Value
from sltpack.report.tables import csv_of, in_common

DATE = datetime.date(2026, 11, 28)
VOID = {"meta", "img", "link", "br"}
EVIL = '<script>alert("1")</script>&amp;'


class Reader(HTMLParser):
    """What an HTML document consists of; tags that do not close are an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def made(name: str, accuracy: float, seed: int = 0, **traits: Value) -> Run:
    common: dict[str, Value] = {
        "data": "digits",
        "model": "conv6",
        "method": "edge-popup",
        "init": "ku",
        "ratios": "epl",
    }
    common |= {"freeze": 0.5, "prune": 0.25, "lock": 0.25, "sparsity": 0.5, "epochs": 10}
    searched = traits.get("method") != TRAINED
    shares = (0.5, 0.25, 0.25) if searched else (None, None, None)
    result = Result(2000, 1000 if searched else 2000, *shares, 3, accuracy, accuracy, 9000 if searched else 64_000)
    return Run(name, {**common, **traits}, {"seed": seed}, result, (0.1, accuracy))


def report() -> Report:
    trained = dict.fromkeys(("ratios", "freeze", "prune", "lock", "sparsity"))
    runs = [
        *(
            made(f"positions/{k},{seed}", k / 2 + seed / 100, seed, sparsity=k)
            for k in (0.3, 0.5, 0.7)
            for seed in (0, 1)
        ),
        made(f"{EVIL}/a", 0.5, model=EVIL),
        made(f"{EVIL}/b", 0.75, **{**trained, "model": EVIL, "method": TRAINED}),
    ]
    return Report(f"runs {EVIL}", sections_of(runs), (LeftOut(f"positions/{EVIL}", "not finished"),))


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    reader = Reader(drawn(report()).page(DATE))
    assert "script" not in reader.tags
    assert all(link.startswith(("data:", "#")) for link in reader.links)
    assert reader.tags.count("section") == 4  # two folders, what was left out, the words
    assert reader.tags.count("img") == 2


def test_what_stands_on_it() -> None:
    text = Reader(drawn(report()).page(DATE)).text
    assert f"runs {EVIL}" in text
    assert f"runs {EVIL}: accuracy and size of strong lottery tickets" in text
    assert "A report on 8 finished runs in the folder" in text
    assert "1 left out" in text
    assert f"made by sltpack {__version__} on 2026-11-28." in text
    for symbol in ("k", "p", "l", "f", "EPL, ERK", "KU, SKC", "search space"):
        assert f" {symbol} " in text
    assert "Sparsity: the share of all weights that are zero" in text
    assert f"positions/{EVIL}: not finished" in text
    assert "3 points from 6 runs: 2 seeds, 10 epochs; the bars are the standard deviation over seeds." in text
    assert "All runs: data digits, model conv6, method edge-popup, init KU, ratios EPL, freeze 0.5, prune 0.25" in text
    assert "25.50 ± 0.71 %" in text
    assert "64,000" in text


def test_every_link_goes_somewhere() -> None:
    page = drawn(report()).page(DATE)
    wanted = {link for link in Reader(page).links if link.startswith("#")}
    assert wanted == {f"#{name}" for name in re.findall(r'id="([^"]+)"', page)}


def test_pictures_are_svg_and_the_numbers_csv() -> None:
    made_of = drawn(report())
    links = [link for link in Reader(made_of.page(DATE)).links if link.startswith("data:")]
    contents = [base64.b64decode(link.partition("base64,")[2]).decode() for link in links]
    files = made_of.files()
    assert sorted(contents) == sorted(files.values())
    assert set(files) == {
        "runs.csv",
        "positions-sparsity-conv6-digits.svg",
        "script-alert-1-script-amp-bits-script-alert-1-script-amp-digits.svg",
    }
    for name, content in files.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_csv_has_every_run() -> None:
    rows = list(csv.DictReader(io.StringIO(drawn(report()).files()["runs.csv"], newline="")))
    assert len(rows) == 8
    first = rows[[row["run"] for row in rows].index("positions/0.3,1")]
    assert (first["asked_sparsity"], first["sparsity"], first["seed"]) == ("0.3", "0.5", "1")
    assert (first["test_accuracy"], first["bits"], first["weights"]) == ("0.16", "9000", "2000")
    trained = rows[[row["run"] for row in rows].index(f"{EVIL}/b")]
    assert (trained["method"], trained["asked_prune"], trained["prune"]) == (TRAINED, "", "")


def test_names_that_would_be_one_file_are_two() -> None:
    runs = [made(f"{folder}/{k}", k, sparsity=k) for folder in ("a b", "a-b") for k in (0.3, 0.5, 0.7)]
    files = drawn(Report("runs", sections_of(runs), ())).files()
    assert set(files) == {"runs.csv", "a-b-sparsity-conv6-digits.svg", "a-b-sparsity-conv6-digits-2.svg"}


def test_names_of_files_are_short_enough_for_every_file_system() -> None:
    runs = [made(f"{'s' * 240}/{'t' * 240}{folder}/{k}", k, sparsity=k) for folder in "ab" for k in (0.3, 0.5, 0.7)]
    files = drawn(Report("runs", sections_of(runs), ())).files()
    assert len(files) == 3
    assert all(len(name) < 150 for name in files)


def test_the_same_runs_are_the_same_page() -> None:
    assert drawn(report()).page(DATE) == drawn(report()).page(DATE)


def test_a_text_is_no_formula() -> None:
    (row,) = csv.DictReader(io.StringIO(csv_of(Report("runs", sections_of([made("=1+1", 0.5, data="@sum")]), ()))))
    assert (row["run"], row["data"]) == ("'=1+1", "'@sum")
    head = csv_of(Report("runs", sections_of([made("a", 0.5, **{"=2+2": 1})]), ())).splitlines()[0]
    assert "'=2+2" in head.split(",") and "=2+2" not in head.split(",")


def test_what_all_have_in_common_may_be_nothing() -> None:
    (section,) = sections_of([made("a", 0.5, momentum=0.0, warmup=0, compiled=False)])
    same = dict(in_common(section))
    assert (same["momentum"], same["warmup"]) == ("0", "0")
    assert "compiled" not in same
