"""A network is fed as its file says, and an accuracy that is not the one in the file is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sltpack import save
from sltpack.checkpoints.facts import Facts
from sltpack.checkpoints.packing import pack
from sltpack.checkpoints.records import Checkpoint
from sltpack.data.dataset import DataSet
from sltpack.errors import MismatchError
from sltpack.format.records import GraphInput, ImageInput, Result
from sltpack.inference.network import Network, build, open_network
from sltpack.inference.prediction import predict
from sltpack.inference.recorded import compare, recorded_name, require_input
from sltpack.inference.scoring import Result as ScoreResult
from sltpack.inference.scoring import score_on
from sltpack.tickets.storage import load
from sltpack.tickets.ticket import Ticket


@pytest.fixture
def ticket(run: tuple[Path, Checkpoint], tmp_path: Path) -> Ticket:
    pack(run[0] / "ckpt.pt", tmp_path / "packed.slt")
    return load(tmp_path / "packed.slt")


def test_the_files_input_is_used_and_not_the_datas(ticket: Ticket, digits: DataSet, tmp_path: Path) -> None:
    other = ImageInput((0.0, 1.0), (0.9,), (0.1,), "cover")
    changed = replace(ticket, input=other, outputs=())
    save(changed, tmp_path / "t.slt")
    found = score_on(tmp_path / "t.slt", "digits").classes
    assert torch.equal(found, build(ticket)(changed.preprocess(digits.test.pixels)).argmax(1))  # type: ignore[attr-defined]
    assert not torch.equal(found, predict(build(ticket), digits.test))


def test_pictures_fed_by_preprocess_are_classified_as_infer_does(
    ticket: Ticket, digits: DataSet, tmp_path: Path
) -> None:
    save(ticket, tmp_path / "t.slt")
    found = score_on(tmp_path / "t.slt", "digits").classes
    pixels = digits.test.pixels.numpy()  # type: ignore[attr-defined]
    assert torch.equal(found, build(ticket)(torch.from_numpy(ticket.preprocess(pixels))).argmax(1))


def test_a_file_that_does_not_say_how_it_is_fed(ticket: Ticket, tmp_path: Path) -> None:
    save(replace(ticket, input=None, outputs=()), tmp_path / "t.slt")
    (line,) = score_on(tmp_path / "t.slt", "digits").notes
    assert line == (
        f"{tmp_path / 't.slt'}: does not say how it is fed; assumed as digits is: mean [0.3055], deviation [0.3759]"
    )
    with pytest.raises(MismatchError) as error:
        load(tmp_path / "t.slt").preprocess(torch.zeros(1, 8, 8, 1))
    assert str(error.value) == (
        "ticket: input: expected how pictures become the network's input, found nothing; feed the model as its maker did"
    )


def test_a_graph_fed_in_an_unknown_way_is_refused(ticket: Ticket) -> None:
    strange = Network(torch.nn.Identity(), ticket.source.model, facts(GraphInput("halved", "directed")), "t.slt")
    with pytest.raises(MismatchError, match="input: expected a graph whose features are unscaled"):
        require_input(strange, graph=True)


def test_another_accuracy_than_the_recorded_one_is_said(ticket: Ticket, tmp_path: Path) -> None:
    # The search of these tests saw 100 of the 360 test images.
    measured = score_on_file(ticket, tmp_path)
    right = Result("digits", "test", measured.accuracy, 360)
    assert score_on_file(replace(ticket, results=(right,)), tmp_path).notes == ()
    wrong = replace(right, accuracy=measured.accuracy + 0.02)
    (line,) = score_on_file(replace(ticket, results=(wrong,)), tmp_path).notes
    assert line == (
        f"{tmp_path / 't.slt'}: accuracy {measured.accuracy:.4f} on digits (test), where the file records "
        f"{measured.accuracy + 0.02:.4f}: the data, or what is done to them, are not the same"
    )


def test_what_is_compared(ticket: Ticket) -> None:
    def lines(result: Result, name: str = "digits", right: int = 50, count: int = 100) -> int:
        network = Network(torch.nn.Identity(), ticket.source.model, facts(None, (result,)), "t.slt")
        return len(compare(network, name, {"test": (right, count)}))

    assert lines(Result("digits", "test", 0.6, 100)) == 1
    assert lines(Result("digits", "test", 0.55, 100)) == 0  # a few predictions
    assert lines(Result("digits", "test", 0.6, 99)) == 0  # other images
    assert lines(Result("digits", "validation", 0.6, 100)) == 0
    assert lines(Result("cifar10", "test", 0.6, 100)) == 0
    assert lines(Result("digits", "test")) == 0
    assert lines(Result("folder:photos", "test", 0.6, 100), "folder:/somewhere/photos") == 1
    assert recorded_name("folder:/somewhere/photos/") == "folder:photos"
    assert recorded_name("cifar10") == "cifar10"


def test_the_packages_tickets_run_as_they_did() -> None:
    for name in ("conv6-cifar10", "gin-cora"):
        assert (open_network(name).check_outputs() or 0) >= 30


def facts(given: ImageInput | GraphInput | None, results: tuple[Result, ...] = ()) -> Facts:
    return Facts(given, (), results)


def score_on_file(ticket: Ticket, folder: Path) -> ScoreResult:
    save(ticket, folder / "t.slt", force=True)
    return score_on(folder / "t.slt", "digits")
