"""What a run says fits the terminal that it is said in, and says which accuracy is which."""

from __future__ import annotations

import pytest

from sltpack.searching.reporting import notes, of_epoch

MEASURED = {"epoch": 100, "loss": 1.2345, "train_accuracy": 0.5678, "validation_accuracy": 0.6123}
BESIDE_80 = 80 - len("search") - 1 - 8 - len(" 100 %") - 1 - len("14:00:00 left") - 1
"""Columns that 80 leave beside the shortest bar, the share and the time left."""


def test_beside_the_bar() -> None:
    forms = notes(100, 100, MEASURED, 0.7)
    assert forms[0] == "epoch 100/100, loss 1.234, training accuracy 0.568, best validation accuracy 0.700"
    assert next(form for form in forms if len(form) <= BESIDE_80) == "epoch 100/100 train 0.568 best valid 0.700"
    assert notes(1, 5, MEASURED, None) == (
        "epoch 1/5, loss 1.234, training accuracy 0.568",
        "epoch 1/5, loss 1.234, training 0.568",
        "epoch 1/5, training 0.568",
        "epoch 1/5 train 0.568",
        "epoch 1/5",
        "epoch 1/5",
    )


@pytest.mark.parametrize("best", [None, 0.7])
def test_each_form_is_shorter(best: float | None) -> None:
    for forms in (notes(100, 100, MEASURED, best), of_epoch(MEASURED, 100, 0.7, 3700)):
        lengths = list(map(len, forms))
        assert lengths == sorted(lengths, reverse=True)


def test_after_an_epoch() -> None:
    forms = of_epoch(MEASURED, 100, 0.7, 12.34)
    assert forms[0] == (
        "epoch 100/100: loss 1.234, training accuracy 0.568, validation accuracy 0.612, best 0.700, 12.3 s"
    )
    assert next(form for form in forms if len(form) <= 80) == (
        "epoch 100/100: loss 1.234, training 0.568, validation 0.612, best 0.700, 12.3 s"
    )
    assert of_epoch(MEASURED, 100, 0.7, 3700)[0].endswith("1 h 01 min")
