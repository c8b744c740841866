"""The unpickler admits arrays as every NumPy and Python spells them, and calls nothing else."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sltpack.data.storage import sparse_matrices, unpickling
from sltpack.errors import DataError

REMEDY = "get the archive again"
EXPECTED = "expected a pickle of numeric arrays and plain containers, found "


class Spelled:
    """Something that pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def python_2_array(array: np.ndarray[Any, Any], code: bytes, order: bytes = b"|") -> bytes:
    """Spells an array as cPickle of Python 2 and NumPy 1 do in protocol 2, whose strings are bytes."""
    shape = b"".join(b"J" + struct.pack("<i", size) for size in array.shape)
    raw = array.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07"
        b"(K\x01(" + shape + b"tq\x08cnumpy\ndtype\nq\tU\x02" + code + b"q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01"
        b"" + order + b"q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0ebI00\nT" + struct.pack("<i", len(raw)) + raw
    ) + b"q\x0ftq\x10b"


def loaded(tmp_path: Path, data: bytes) -> dict[Any, Any]:
    path = tmp_path / "batch"
    path.write_bytes(data)
    return unpickling.load(path)


def message(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, data)
    start = f"{tmp_path / 'batch'}: "
    assert str(caught.value).startswith(start)
    return str(caught.value)[len(start) :]


def refused(found: str) -> str:
    kinds = "the file is damaged, made to do harm, or of a kind that sltpack does not read"
    return f"{EXPECTED}a pickle {found}; {kinds}; {REMEDY}"


def named(name: str) -> str:
    return f"{EXPECTED}a pickle that names code to run, {name}; none of it was run; {REMEDY}"


def damaged(found: str) -> str:
    return f"{EXPECTED}a pickle {found}; the file is damaged; {REMEDY}"


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["u1", "<i8", ">f4", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_every_protocol(tmp_path: Path, protocol: int, kind: str, order: Any) -> None:
    array = np.array(np.arange(12).reshape(3, 4), dtype=kind, order=order)
    found = loaded(tmp_path, pickle.dumps({b"data": array, "names": ["a", b"b"], b"n": -5}, protocol))
    assert type(found[b"data"]) is np.ndarray
    assert found[b"data"].dtype == array.dtype
    np.testing.assert_array_equal(found[b"data"], array)
    assert (found["names"], found[b"n"]) == (["a", b"b"], -5)


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_of_old_and_new_numpy(tmp_path: Path, module: str, protocol: int) -> None:
    data = pickle.dumps({b"data": np.arange(3, dtype=np.uint8)}, protocol)
    written = b"numpy.core" if b"numpy.core" in data else b"numpy._core"
    other = module.encode()
    parts = data.split(written)
    for index, part in enumerate(parts[:-1]):
        parts[index] = part[:-1] + bytes([part[-1] + len(other) - len(written)])  # the length of the module's name
    framed = other.join(parts)
    framed = framed[:3] + struct.pack("<Q", len(framed) - 11) + framed[11:]
    assert other in framed
    np.testing.assert_array_equal(loaded(tmp_path, framed)[b"data"], [0, 1, 2])


def test_pickles_of_python_2(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    wide = np.arange(6, dtype=">i4").reshape(2, 3)
    data = b"\x80\x02}q\x00(U\x04dataq\x01" + python_2_array(array, b"u1")
    data += b"U\x04wide" + python_2_array(wide, b"i4", b">") + b"U\x06labels](K\x01K\x07eu."
    found = loaded(tmp_path, data)
    assert found[b"labels"] == [1, 7]
    np.testing.assert_array_equal(found[b"data"], array)
    np.testing.assert_array_equal(found[b"wide"], wide)


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("exit 1",), f"{os.system.__module__}.system"),
        (builtins.eval, ("1",), "builtins.eval"),
        (builtins.getattr, ("a", "b"), "builtins.getattr"),
        (subprocess.check_output, ("false",), "subprocess.check_output"),
        (np.fromfile, ("/etc/hostname",), "numpy.fromfile"),
        (np.load, ("x.npy",), "numpy.load"),
        (pickle.loads, (b"",), "_pickle.loads"),
        (bytearray, (1 << 40,), "builtins.bytearray"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_refuses_functions(
    tmp_path: Path, function: Callable[..., Any], arguments: tuple[Any, ...], name: str, inside: bool
) -> None:
    spelled: Any = Spelled(function, *arguments)
    if inside:
        nested = np.empty(1, dtype=object)
        nested[0] = spelled
        spelled = nested
    data = pickle.dumps({b"data": spelled}, 4)
    # In an array of objects the refusal of the type comes first: its values are never looked at.
    assert message(tmp_path, data) == (refused("with an array of type O8") if inside else named(name))


def test_the_refusal_is_what_keeps_the_code_from_running(tmp_path: Path) -> None:
    data = pickle.dumps({b"data": Spelled(os.mkdir, str(tmp_path / "made"))})
    message(tmp_path, data)
    assert not (tmp_path / "made").exists()
    pickle.loads(data)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.array([None]), "with an array of type O8"),
        (np.zeros(1, [("a", "u1"), ("b", "O")]), "with an array of type V9"),
        (np.zeros(1, [("a", "u1")]), "with an array of type V1"),
        (np.array(["text"]), "with an array of type U4"),
        (np.array(["2024-01-01"], dtype="M8[D]"), "with an array of type M8"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_refuses_arrays_that_are_not_numeric(
    tmp_path: Path, array: np.ndarray[Any, Any], found: str, protocol: int
) -> None:
    assert message(tmp_path, pickle.dumps({b"data": array}, protocol)) == refused(found)


U1 = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (U1 + b"(K\x03U\x01|U\x01xNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", "with an array of a compound type"),
        (U1 + b"K\x03b", "with an array of a compound type"),
        (U1 + b"(K\x03U\x01INNNtb", "with an array of a compound type"),
        (b"cnumpy\ndtype\n(K\x00tR", "with a data type that is no text"),
        (EMPTY + b"K\x00b", "with an array of an unknown version"),
        (
            EMPTY + b"(K\x01(J\x00\x00\x00\x10t" + U1 + b"I00\nU\x03abctb",
            "with an array whose type, shape and bytes do not fit together",
        ),
        (
            EMPTY + b"(K\x01(J\xff\xff\xff\xffJ\xfd\xff\xff\xfft" + U1 + b"I00\nU\x03abctb",
            "with an array without a proper shape",
        ),
        (EMPTY + b"(K\x01(K\x03tNI00\nU\x03abctb", "with an array without its bytes or type"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(K\x00K\x00\x85U\x01btR", "with an array of an unknown class"),
        (b"cnumpy._core.numeric\n_frombuffer\n(U\x01a" + U1 + b"(K\x01tU\x01KtR", "with an array in an unknown order"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R", "with bytes in an unknown spelling"),
        (b"c_codecs\nencode\n}U\x0c__defaults__)sb", "that changes what is no object"),
        (b"cnumpy.core.multiarray\nscalar\n)R", "with a number without its bytes or type"),
        (b"r\xff\xff\xff\x7f", "with memo entry 2147483647"),
        (b"p2147483647\n", "with memo entry 2147483647"),
        (b"]" + b"0]" * (1 << 20), "of more than 1048576 instructions"),
        (b"K\x01" + b"\x85" * 2000, "whose values are nested more than 64 deep"),
        (b"cos\nsys\x1b[31mtem\n", "with a name of code that is no name"),
    ],
)
def test_refuses_crafted_pickles(tmp_path: Path, body: bytes, found: str) -> None:
    start = b"\x80\x02}U\x04data"
    assert message(tmp_path, start + body + b"s.") == refused(found)


def test_refuses_to_copy_a_text_again_and_again(tmp_path: Path) -> None:
    text = b"X" + (1000).to_bytes(4, "little") + b"a" * 1000
    body = b"]q\x00(c_codecs\nencode\nq\x01" + text + b"X\x06\x00\x00\x00latin1\x86q\x02R" + b"h\x01h\x02R" * 70 + b"e"
    assert message(tmp_path, b"\x80\x02}U\x04data" + body + b"s.") == refused("that copies its bytes again and again")


def test_arrays_cannot_be_called_or_written_to(tmp_path: Path) -> None:
    called = b"\x80\x02}U\x04datacnumpy\nndarray\nJ\xff\xff\xff\x7f\x85Rs."
    assert message(tmp_path, called) == refused("that calls what is no function")
    written = b"\x80\x02}U\x04data" + EMPTY + b"K\x00K\x01ss."
    assert message(tmp_path, written) == damaged("that adds to what is no dict")


@pytest.mark.parametrize(
    ("cut", "found"), [(0, "that is cut"), (1, "that is cut"), (20, "that is cut"), (-2, "that is cut")]
)
def test_refuses_cut_files(tmp_path: Path, cut: int, found: str) -> None:
    data = pickle.dumps({b"data": np.zeros(100, np.uint8)})
    assert message(tmp_path, data[:cut]) == damaged(found)


def test_refuses_what_lies_behind_the_end(tmp_path: Path) -> None:
    assert message(tmp_path, pickle.dumps({}) + b"x") == refused("with something behind its end")


def test_another_remedy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for load in (unpickling.load, unpickling.load_matrix):
        for data, start in (
            (b"", f"{EXPECTED}a pickle that is cut"),
            (pickle.dumps([]), "expected a pickled "),
            (pickle.dumps(os.mkdir), f"{EXPECTED}a pickle that names code to run, {os.mkdir.__module__}.mkdir"),
        ):
            path.write_bytes(data)
            with pytest.raises(DataError) as caught:
                load(path, "write it again")
            assert str(caught.value).startswith(f"{path}: {start}")
            assert str(caught.value).endswith("; write it again")


def test_refuses_what_is_no_dictionary(tmp_path: Path) -> None:
    assert message(tmp_path, pickle.dumps([1])) == "expected a pickled dictionary, found list; get the archive again"


def test_refuses_large_files_before_it_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    with open(path, "wb") as stream:
        stream.truncate((1 << 28) + 1)  # a hole, which takes no room on the disk
    with pytest.raises(DataError) as caught:
        unpickling.load(path)
    assert str(caught.value) == (
        f"{path}: expected a pickle of at most 268435456 bytes, found 268435457; get the archive again"
    )


def test_refuses_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(DataError) as caught:
        unpickling.load(path)
    assert str(caught.value) == (f"{path}: expected a file, found none of that name; get the archive again")


def test_the_helper_that_spells_python_2_spells_what_pickle_reads() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    modern = python_2_array(array, b"u1").replace(b"numpy.core", b"numpy._core")
    stream = io.BytesIO(b"\x80\x02" + modern + b".")
    np.testing.assert_array_equal(pickle.Unpickler(stream, encoding="bytes").load(), array)


# Sparse matrices and graphs, as SciPy and Python 2 spelled them.


def state(**changed: Any) -> dict[str, Any]:
    """The attributes of the sparse matrix [[0, 5, 0], [7, 0, 8]]."""
    arrays = {
        "indptr": np.array([0, 1, 3], np.int32),
        "indices": np.array([1, 0, 2], np.int32),
        "data": np.array([5, 7, 8], np.float32),
    }
    return {"_shape": (2, 3), **arrays, "maxprint": 50, **changed}


def matrix_pickle(attributes: object, module: bytes = b"scipy.sparse.csr") -> bytes:
    """A csr_matrix as protocol 2 has it, made without arguments, then given its attributes; 3 spells empty arrays too."""
    body = pickle.dumps(attributes, protocol=3)[2:-1]
    return b"\x80\x03c" + module + b"\ncsr_matrix\n)\x81" + body + b"b."


def loaded_matrix(tmp_path: Path, data: bytes) -> np.ndarray[Any, Any]:
    path = tmp_path / "matrix"
    path.write_bytes(data)
    return unpickling.load_matrix(path)


def matrix_message(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        loaded_matrix(tmp_path, data)
    return str(caught.value).removeprefix(f"{tmp_path / 'matrix'}: ")


@pytest.mark.parametrize("module", [b"scipy.sparse.csr", b"scipy.sparse._csr"])
@pytest.mark.parametrize("spelling", [str, str.encode])
def test_sparse_matrices(tmp_path: Path, module: bytes, spelling: Callable[[str], Any]) -> None:
    attributes = {spelling(name): value for name, value in state().items()}
    values = loaded_matrix(tmp_path, matrix_pickle(attributes, module))
    assert values.dtype == np.float32
    assert values.tolist() == [[0, 5, 0], [7, 0, 8]]


def test_dense_matrices(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.testing.assert_array_equal(loaded_matrix(tmp_path, pickle.dumps(array, 2)), array)


def test_numbers_stored_for_one_place_are_added(tmp_path: Path) -> None:
    twice = state(indices=np.array([1, 2, 2], np.int32))
    assert loaded_matrix(tmp_path, matrix_pickle(twice)).tolist() == [[0, 5, 0], [0, 0, 15]]


NO_SHAPE = "a matrix without a proper number of rows and columns"
NOTHING_STORED = {
    "_shape": (3, 3),
    "indptr": np.array([0, (1 << 63) - 1, -2, 0]),  # whose differences, wrapped around, are none below 0
    "indices": np.array([], np.int32),
    "data": np.array([], np.float32),
}


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        (state(_shape=(2, 1 << 26)), "a matrix of more than 268435456 bytes"),
        (state(_shape=(2, 1 << 25), data=np.zeros(3)), "a matrix of more than 268435456 bytes"),
        (state(_shape=(2, 1 << 26), data=np.zeros(3, np.uint8)), "a matrix of more than 268435456 bytes"),
        (state(_shape=(2, (1 << 28) + 1)), NO_SHAPE),
        (state(_shape=(2, 1 << 70)), NO_SHAPE),
        (state(_shape=(2, -3)), NO_SHAPE),
        (state(_shape=(-2, -3)), NO_SHAPE),
        (state(_shape=(2, 3.0)), NO_SHAPE),
        (state(_shape=(2, "3")), NO_SHAPE),
        (state(_shape=(2, None)), NO_SHAPE),
        (state(_shape=(2, True)), NO_SHAPE),
        (state(_shape=(2, np.zeros(1, np.uint8))), NO_SHAPE),
        (state(_shape=(2, 3, 1)), NO_SHAPE),
        (state(_shape=[2, 3]), NO_SHAPE),
        (state(_shape=6), NO_SHAPE),
        ({}, NO_SHAPE),
        (state(_shape=(3, 3)), "a matrix whose shape and parts do not fit together"),
        (state(indptr=None), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([0, 3], np.int32)), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([0, 1, 3, 3], np.int32)), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([[0, 1, 3]], np.int32)), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([], np.int32)), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([0, np.nan, 3])), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([0, 1, 3], np.float32)), "a matrix whose shape and parts do not fit together"),
        (state(indices=np.array([1, 0], np.int32)), "a matrix whose shape and parts do not fit together"),
        (state(indices=np.array([1, 0, 2], np.float32)), "a matrix whose shape and parts do not fit together"),
        (state(data=[5, 7, 8]), "a matrix whose shape and parts do not fit together"),
        (state(indptr=np.array([0, 4, 3], np.int32)), "rows that are not one after the other"),
        (state(indptr=np.array([1, 1, 3], np.int32)), "rows that are not one after the other"),
        (state(indptr=np.array([0, -1, 3], np.int64)), "rows that are not one after the other"),
        (state(indptr=np.array([0, 255, 3], np.uint8)), "rows that are not one after the other"),
        (state(indptr=np.array([0, (1 << 64) - 1, 3], np.uint64)), "rows that are not one after the other"),
        (state(indptr=np.array([0, (1 << 63) - 1, -2, 3]), _shape=(3, 3)), "rows that are not one after the other"),
        (NOTHING_STORED, "rows that are not one after the other"),
        (state(indptr=np.array([0, 1, 2], np.int32)), "rows that are not one after the other"),
        (state(indices=np.array([1, 0, 3], np.int32)), "columns outside 0..2"),
        (state(indices=np.array([1, 0, -1], np.int32)), "columns outside 0..2"),
        (state(indices=np.array([1, 0, -(1 << 63)])), "columns outside 0..2"),
        (state(indices=np.array([1, 0, 255], np.uint8)), "columns outside 0..2"),
        (state(indices=np.array([1, 0, (1 << 64) - 1], np.uint64)), "columns outside 0..2"),
        (state(indices=np.array([1, 0, 3], ">i2")), "columns outside 0..2"),
        (state(_shape=(2, 1)), "3 numbers for 2 places"),
        (state(_shape=(2, 0)), "3 numbers for 0 places"),
    ],
)
def test_refuses_sparse_matrices_that_cannot_be(tmp_path: Path, attributes: dict[str, Any], found: str) -> None:
    assert matrix_message(tmp_path, matrix_pickle(attributes)) == (
        f"expected a whole sparse matrix, found {found}; get the archive again"
    )


def test_refuses_a_sparse_matrix_without_attributes(tmp_path: Path) -> None:
    assert matrix_message(tmp_path, b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81.") == (
        f"expected a whole sparse matrix, found {NO_SHAPE}; get the archive again"
    )


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", ">i2", "i4", "i8"])
def test_places_of_every_type_of_integers(tmp_path: Path, kind: str) -> None:
    places = {name: state()[name].astype(kind) for name in ("indptr", "indices")}
    assert loaded_matrix(tmp_path, matrix_pickle(state(**places))).tolist() == [[0, 5, 0], [7, 0, 8]]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0), (2, 3)])
def test_sparse_matrices_of_zeros(tmp_path: Path, shape: tuple[int, int]) -> None:
    places = {"indptr": np.zeros(shape[0] + 1, np.int32), "indices": np.zeros(0, np.int32)}
    values = loaded_matrix(tmp_path, matrix_pickle(state(_shape=shape, **places, data=np.zeros(0))))
    np.testing.assert_array_equal(values, np.zeros(shape))


def test_a_matrix_of_as_many_bytes_as_it_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_matrices, "MATRIX_LIMIT", 24)
    assert loaded_matrix(tmp_path, matrix_pickle(state())).nbytes == 24
    monkeypatch.setattr(sparse_matrices, "MATRIX_LIMIT", 23)
    assert "a matrix of more than 23 bytes" in matrix_message(tmp_path, matrix_pickle(state()))


def test_no_memory_for_a_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(unpickling, "write_out", full)
    assert matrix_message(tmp_path, matrix_pickle(state())) == (
        "expected a sparse matrix that the memory holds, found a larger one; get the archive again"
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [({}, "dict"), (np.zeros(3, np.uint8), "uint8 [3]"), (np.zeros((1, 2, 3), np.int8), "int8 [1, 2, 3]")],
)
def test_refuses_what_is_no_matrix(tmp_path: Path, value: object, found: str) -> None:
    assert matrix_message(tmp_path, pickle.dumps(value, 2)) == (
        f"expected a pickled matrix, found {found}; get the archive again"
    )


def test_a_sparse_matrix_is_no_dictionary(tmp_path: Path) -> None:
    assert message(tmp_path, matrix_pickle(state())) == (
        "expected a pickled dictionary, found a sparse matrix; get the archive again"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"cscipy.sparse.csr\ncsr_matrix\n)\x81K\x01b", refused("with a sparse matrix of an unknown version")),
        (b"ccollections\ndefaultdict\n)R", refused("with a dictionary that makes something else than lists")),
        (
            b"ccollections\ndefaultdict\ncnumpy\nndarray\n\x85R",
            refused("with a dictionary that makes something else than lists"),
        ),
        (b"ccollections\ndefaultdict\n}U\x0c__defaults__)sb", refused("that changes what is no object")),
        (b"cscipy.sparse.csc\ncsc_matrix\n)\x81", named("scipy.sparse.csc.csc_matrix")),
        (b"c__builtin__\ngetattr\n", named("__builtin__.getattr")),
    ],
)
def test_refuses_what_is_near_to_what_is_admitted(tmp_path: Path, body: bytes, found: str) -> None:
    assert matrix_message(tmp_path, b"\x80\x02" + body + b".") == found


def test_the_class_of_sparse_matrices_cannot_be_changed(tmp_path: Path) -> None:
    body = b"cscipy.sparse.csr\ncsr_matrix\n}U\x06valuesK\x01sb"
    assert matrix_message(tmp_path, b"\x80\x02" + body + b".") == refused("that changes what is no object")
    made = b"cscipy.sparse.csr\ncsr_matrix\n)\x81N}U\x06valuesK\x01s\x86b"
    assert matrix_message(tmp_path, b"\x80\x02" + made + b".") == refused("with a sparse matrix of an unknown version")


def test_a_dictionary_of_lists(tmp_path: Path) -> None:
    data = b"\x80\x02ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(K\x00](K\x01K\x02eK\x01](K\x00eu."
    found = loaded(tmp_path, data)
    assert (type(found), found) == (dict, {0: [1, 2], 1: [0]})
