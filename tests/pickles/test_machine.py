"""The machine reads what pickle writes, as pickle reads it, and refuses what no writer writes."""

from __future__ import annotations

import argparse
import pickle
import random
import runpy
import tracemalloc
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sltpack.errors import shown
from sltpack.pickles.admitted import ADMITTED, storage
from sltpack.pickles.faults import PickleFault, Verdict
from sltpack.pickles.machine import Machine
from sltpack.pickles.records import Array, Record, Tensor

REAL = runpy.run_path(str(Path(__file__).parents[1] / "real_pickles.py"))


def loaded(data: bytes, **options: Any) -> Any:
    value, end = Machine(data, ADMITTED, persistent=storage, **options).run()
    assert end == len(data)
    return value


def fault(data: bytes, **options: Any) -> PickleFault:
    with pytest.raises(PickleFault) as caught:
        loaded(data, **options)
    return caught.value


keys = st.none() | st.booleans() | st.text(max_size=5) | st.binary(max_size=5) | st.integers(0, 50)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**255), 2**255 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.text(st.characters())
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=5)
        | inner.map(lambda value: [value, value])  # which the memo refers to
    ),
    max_leaves=20,
)


def same(found: object, wanted: object) -> bool:
    """Whether values are the same, their types too."""
    if type(found) is not type(wanted):
        return False
    if isinstance(found, dict) and isinstance(wanted, dict):
        return same(list(found), list(wanted)) and same(list(found.values()), list(wanted.values()))
    if isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    return found == wanted


@pytest.mark.parametrize("protocol", range(6))
@given(value=plain)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_plain_values_come_back_as_pickle_gives_them(protocol: int, value: object) -> None:
    data = pickle.dumps(value, protocol)
    assert same(loaded(data), pickle.loads(data))


@pytest.mark.parametrize("protocol", range(6))
def test_long_containers(protocol: int) -> None:
    value = {"list": list(range(5000)), "dict": {n: str(n) for n in range(5000)}, "tuple": tuple("x" * 3000)}
    assert same(loaded(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", range(6))
def test_dictionaries_of_other_kinds_are_plain_ones(protocol: int) -> None:
    lists: defaultdict[str, list[int]] = defaultdict(list, a=[1])
    value = [OrderedDict(b=1, a=2), lists, Counter("aab")]
    assert same(loaded(pickle.dumps(value, protocol)), [{"b": 1, "a": 2}, {"a": [1]}, {"a": 2, "b": 1}])


@pytest.mark.parametrize("number", [np.float64(0.1), np.float32(2.5), np.int64(-3), np.uint8(7), np.bool_(True)])
@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_numbers_of_numpy_are_pythons(number: np.generic, protocol: int, module: str) -> None:
    data = pickle.dumps(number, protocol)
    if protocol < 4:
        data = data.replace(b"numpy._core.", b"numpy.core.").replace(b"numpy.core.", f"{module}.".encode())
    found = loaded(data)
    assert (type(found), found) == (type(number.item()), number.item())


def test_strings_of_python_2() -> None:
    data = b"\x80\x02](U\x01aU\x01\xe4T\x02\x00\x00\x00bcS'x\\n\\x41\\''\ne."
    assert loaded(data) == ["a", b"\xe4", "bc", "x\nA'"]
    assert loaded(data, old_text_is_bytes=True) == [b"a", b"\xe4", b"bc", b"x\nA'"]


def test_what_stands_for_other_things_is_inert() -> None:
    value = REAL["foreign"]()
    found = loaded(REAL["pickles"]()["foreign"])
    assert list(found) == list(value)
    arguments = found["args"]
    assert (type(arguments), arguments.name) == (Record, "argparse.Namespace")
    assert arguments.value["path"] == Record("pathlib.Path", ("runs", "a"))
    assert arguments.value["device"] == Record("torch.device", "cuda:0")
    assert found["type"] == Record("torch.dtype", "float16")
    assert (found["milestones"], found["size"]) == ({30: 1, 60: 1}, (2, 3))
    assert (type(found["parameter"]), type(found["half"])) == (Tensor, Tensor)
    assert found["half"].strides == value["half"].stride()
    assert found["half"].element.name == "bfloat16"
    assert type(found["state_dict"]) is dict
    assert found["optimizer"]["param_groups"] == [{"lr": 0.1}]


def test_arrays_are_views_of_the_bytes_that_were_read() -> None:
    array = loaded(REAL["pickles"]()["array"])["data"]
    assert type(array) is Array
    assert array.values.dtype == np.dtype(">f4")
    assert array.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not array.values.flags.writeable and not array.values.flags.owndata


@pytest.mark.parametrize(
    ("data", "verdict", "found"),
    [
        (b"\x80\x02cos\nsystem\n.", Verdict.CODE, "a pickle that names code to run, os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", Verdict.CODE, "a pickle that names code to run, os.system"),
        (b"(ios\nsystem\n.", Verdict.CODE, "a pickle that names code to run, os.system"),
        (b"c\xff\nsystem\n.", Verdict.UNCLEAR, "a pickle with a name of code that is no name"),
        (b"\x80\x02cos sys\nx\n.", Verdict.UNCLEAR, "a pickle with a name of code that is no name"),
        (b"\x80\x02N", Verdict.DAMAGED, "a pickle that is cut"),
        (b"\x80\x06N.", Verdict.DAMAGED, "a pickle of protocol 6"),
        (b"\xffN.", Verdict.DAMAGED, "a pickle with byte 255 where an instruction should be, at 0"),
        (b"0.", Verdict.DAMAGED, "a pickle that takes a value where none is"),
        (b"N(0t.", Verdict.DAMAGED, "a pickle with the end of a list that was not begun"),
        (b"N(a.", Verdict.DAMAGED, "a pickle that takes a value where none is"),
        (b"NN.", Verdict.DAMAGED, "a pickle that ends before its value is whole"),
        (b"](N.", Verdict.DAMAGED, "a pickle that ends before its value is whole"),
        (b"t.", Verdict.DAMAGED, "a pickle with the end of a list that was not begun"),
        (b"h\x05.", Verdict.DAMAGED, "a pickle that refers to a value before it"),
        (b"Nq\x05h\x04.", Verdict.DAMAGED, "a pickle that refers to a value before it"),
        (b"g-1\n.", Verdict.DAMAGED, "a pickle with a number that is none"),
        (b"}(K", Verdict.DAMAGED, "a pickle that is cut"),
        (b"}(K\x01u.", Verdict.DAMAGED, "a pickle with a key that has no value"),
        (b"}]Ns.", Verdict.UNCLEAR, "a pickle with a key of type list"),
        (b"}GAAAAAAAANs.", Verdict.UNCLEAR, "a pickle with a key of type float"),
        (b"NNs.", Verdict.DAMAGED, "a pickle that takes a value where none is"),
        (b"NNNs.", Verdict.DAMAGED, "a pickle that adds to what is no dict"),
        (b"]q\x00h\x00Na.", Verdict.UNCLEAR, "a pickle in which a list grows after it was used"),
        (b"I1x\n.", Verdict.DAMAGED, "a pickle with a number that is none"),
        (b"Fx\n.", Verdict.DAMAGED, "a pickle with a number that is none"),
        (b"X\x01\x00\x00\x00\xff.", Verdict.DAMAGED, "a pickle with a text that is no UTF-8"),
        (b"V\\u12\n.", Verdict.DAMAGED, "a pickle with a text that is none"),
        (b"Sx\n.", Verdict.DAMAGED, "a pickle with a string that has no quotes"),
        (b"S'\\q'\n.", Verdict.DAMAGED, "a pickle with a string that is none"),
        (b"\x8f.", Verdict.UNCLEAR, "a pickle with a set"),
        (b"N)R.", Verdict.UNCLEAR, "a pickle that calls what is no function"),
        (b"cnumpy\ndtype\nNR.", Verdict.DAMAGED, "a pickle with a call whose arguments are no tuple"),
        (b"ctorch\nfloat32\n)R.", Verdict.UNCLEAR, "a pickle that calls what is no function"),
        (b"]Nb.", Verdict.UNCLEAR, "a pickle that changes what is no object"),
        (b"ctorch\nSize\n(J\xff\xff\xff\xfft\x85R.", Verdict.UNCLEAR, "a pickle with a shape without a proper shape"),
        (b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", Verdict.DAMAGED, "a pickle that is cut"),
    ],
)
def test_refuses_what_no_writer_writes(data: bytes, verdict: Verdict, found: str) -> None:
    refused = fault(data)
    assert (refused.verdict, refused.found) == (verdict, found)


def test_the_verdicts_are_three_sentences() -> None:
    assert [fault(data).remedy("do this") for data in (b"cos\nsystem\n.", b"N", b"\x8f.")] == [
        "none of it was run; do this",
        "the file is damaged; do this",
        "the file is damaged, made to do harm, or of a kind that sltpack does not read; do this",
    ]


def test_parameters_that_are_numbered_by_their_places_in_memory() -> None:
    value = {140_000_000_000_000 + 80 * number: [number] for number in range(2000)}
    assert loaded(pickle.dumps(value, 2)) == value


@pytest.mark.parametrize("key", [2**63, -(2**70)])
def test_whole_numbers_that_are_too_large_for_keys(key: int) -> None:
    found = fault(pickle.dumps({key: 1}, 2)).found
    assert found == "a pickle with many whole numbers as keys that do not follow each other"


def test_no_admitted_name_is_what_it_stands_for() -> None:
    for (module, name), entry in ADMITTED.items():
        assert entry.name.rpartition(".")[2] == name
        assert entry.make is None or entry.make.__module__ == "sltpack.pickles.admitted", (module, name)
    assert not isinstance(loaded(pickle.dumps(argparse.Namespace(a=1), 2)), argparse.Namespace)


def feed(count: int, seed: int) -> int:
    """Run mutated pickles through the gate; return how many of them it takes."""
    chance, taken = random.Random(seed), 0
    pickles = list(REAL["pickles"]().values())
    for number in range(count):
        data = REAL["mutated"](pickles[number % len(pickles)], chance)
        try:
            value, _ = Machine(data, ADMITTED, persistent=storage, old_text_is_bytes=bool(number % 2)).run()
        except PickleFault:
            continue
        assert len(shown(value)) <= 200
        taken += 1
    return taken


def test_mutated_pickles() -> None:
    assert 100 < feed(3000, 1) < 2900


@pytest.mark.slow
def test_a_hundred_thousand_mutated_pickles() -> None:
    tracemalloc.start()
    try:
        taken = feed(100_000, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"{taken} taken, at most {peak >> 20} MB")
    assert peak < 200 << 20


def test_the_pickles_are_what_torch_writes() -> None:
    assert torch.load(REAL["io"].BytesIO(REAL["saved"](REAL["checkpoint"]())), weights_only=True)["kept"] == 9
