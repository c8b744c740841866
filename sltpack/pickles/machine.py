"""A machine that runs pickles of protocol 0 to 5 and makes plain values from them, within bounds.

It imports nothing and calls nothing but the few makers of `admitted`, whatever a pickle names. What is plain comes back
as None, bool, int, float, str, bytes, list, tuple and dict, and no subclass of any.

Each value has a weight: how many values it is made of, how many bytes they have, and how deeply they are nested, with
what the memo refers to counted as often as it is used. A container that has been used once, or referred to, cannot grow
any more; so none contains itself, and no weight changes after it was counted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .faults import PickleFault, code, damaged, unclear

STEP_LIMIT = 1 << 20
"""Instructions of a pickle, each of which can take memory without taking room; CIFAR-100's has about 200,000."""
VALUE_LIMIT = 1 << 21
"""Values that the whole consists of, those that are used several times counted each time."""
DEPTH_LIMIT = 64
"""Containers in containers; checkpoints have about ten."""
MEMO_LIMIT = 1 << 20
"""The memo is a list, as long as the largest index in it."""
INTEGER_BYTES = 32
"""Of a whole number; the states of random generators have 16."""
SIZE_FACTOR, SIZE_SLACK = 4, 1 << 24
"""What all values take, in bytes, against what the file has: a little may be used several times."""
_LINE_LIMIT = 256
_DIGIT_LIMIT = 80
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,80}")
_BEYOND_LATIN_1 = re.compile(rb"[\xc4-\xff]")
"""Bytes of UTF-8 that make Python spend two or four bytes on every letter of a text."""
_WIDE_LIMIT = 1 << 24
"""Bytes of all such texts."""
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.?))", re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_DENSE = 64
"""Whole numbers up to this many more than a dictionary has keys cannot collide: Python's table is larger than they are.
All others can, however small, and insertion then takes a time that grows with the square of their number."""
_SPARSE_KEYS = 1 << 11
"""Other whole numbers as keys, in the whole pickle: old optimizers number parameters by their places in memory."""
STACK_LIMIT = 1 << 18
"""Values that wait for their container; Python's pickles have a thousand."""


@dataclass(frozen=True)
class Admitted:
    """A class or function that a pickle may name, and what stands in for it.

    Attributes:
        name: as a pickle spells it, the module in front.
        make: makes the value for a call with these arguments; None where it must not be called. It raises `Refused`.
        fill: sets the state of what was made, or is None where nothing may be set. It raises `Refused`.
        value: what the name itself is, where it is more than a name.
    """

    name: str
    make: Callable[[tuple[Any, ...]], object] | None = None
    fill: Callable[[Any, object], None] | None = None
    value: object = None


class Refused(Exception):
    """A maker was given what no writer gives it; the text says what, in the words of an error's sentence."""


class _Node:
    """A value that is not plain, on the stack or in the memo, with its weight."""

    __slots__ = ("closed", "depth", "entry", "size", "value", "values")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.values = 1
        self.size = 0
        self.depth = 1
        self.closed = False
        self.entry: Admitted | None = None


class Machine:
    """Runs one pickle.

    Args:
        data: bytes with the pickle in them.
        admitted: what it may name, by module and name.
        start: where it begins.
        room: bytes of the file that it belongs to, if they are more than those of the data.
        persistent: makes a value of a persistent id, or is None where a pickle must have none.
        old_text_is_bytes: whether strings of Python 2 become bytes; otherwise texts, where they are UTF-8.
    """

    def __init__(
        self,
        data: bytes,
        admitted: Mapping[tuple[str, str], Admitted],
        *,
        start: int = 0,
        room: int = 0,
        persistent: Callable[[object], object] | None = None,
        old_text_is_bytes: bool = False,
    ) -> None:
        self._data = data
        self._admitted = admitted
        self._at = start
        self._persistent = persistent
        self._old_text_is_bytes = old_text_is_bytes
        self._size_limit = SIZE_FACTOR * max(room, len(data)) + SIZE_SLACK
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []
        self._steps = 0
        self._copied = 0
        self._wide = 0
        self._sparse_keys = 0

    def run(self) -> tuple[object, int]:
        """Run the pickle to its end.

        Returns:
            The value, and where the pickle ends.

        Raises:
            PickleFault: it names what is not admitted, is damaged, or takes more than the bounds allow.
        """
        data, table, size = self._data, _TABLE, len(self._data)
        while self._steps < STEP_LIMIT:
            self._steps += 1
            if not self._steps & 0x3FF and len(self._stack) > STACK_LIMIT:
                raise unclear(f"a pickle with more than {STACK_LIMIT} values in no container")
            if self._at >= size:
                raise damaged("a pickle that is cut")
            instruction = data[self._at]
            self._at += 1
            if instruction == _STOP:
                return self._result(), self._at
            handler = table[instruction]
            if handler is None:
                raise self._unknown(instruction)
            handler(self)
        raise unclear(f"a pickle of more than {STEP_LIMIT} instructions")

    def _result(self) -> object:
        if self._marks or len(self._stack) != 1:
            raise damaged("a pickle that ends before its value is whole")
        return self._take(_Node(None), self._stack)[0]

    def _unknown(self, instruction: int) -> PickleFault:
        if instruction in _UNUSED:
            return unclear(f"a pickle with {_UNUSED[instruction]}")
        return damaged(f"a pickle with byte {instruction} where an instruction should be, at {self._at - 1}")

    # What the instructions are made of.

    def _bytes(self, count: int) -> bytes:
        start, end = self._at, self._at + count
        if end > len(self._data):
            raise damaged("a pickle that is cut")
        self._at = end
        return self._data[start:end]

    def _unsigned(self, count: int) -> int:
        return int.from_bytes(self._bytes(count), "little")

    def _line(self, limit: int | None = _LINE_LIMIT) -> bytes:
        end = self._data.find(b"\n", self._at, None if limit is None else self._at + limit)
        if end < 0:
            cut = limit is None or self._at + limit > len(self._data)
            raise damaged("a pickle that is cut" if cut else "a pickle with a line that does not end")
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise damaged("a pickle that takes a value where none is")
        return self._stack.pop()

    def _top(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise damaged("a pickle that takes a value where none is")
        return self._stack[-1]

    def _marked(self) -> list[Any]:
        if not self._marks:
            raise damaged("a pickle with the end of a list that was not begun")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _take(self, node: _Node, items: list[Any]) -> list[Any]:
        """Use values as parts of another, whose weight grows with theirs.

        Returns:
            The bare values.
        """
        values, size, depth = node.values + len(items), node.size, node.depth
        taken = []
        for item in items:
            if type(item) is _Node:
                item.closed = True
                values += item.values - 1
                size += item.size
                depth = max(depth, item.depth + 1)
                taken.append(item.value)
            else:
                if type(item) in (str, bytes):
                    size += len(item)
                taken.append(item)
        if values > VALUE_LIMIT:
            raise unclear(f"a pickle of more than {VALUE_LIMIT} values, some of them used again and again")
        if size > self._size_limit:
            raise unclear(f"a pickle whose values take more than {self._size_limit} bytes, some used again and again")
        if depth > DEPTH_LIMIT + 1:
            raise unclear(f"a pickle whose values are nested more than {DEPTH_LIMIT} deep")
        node.values, node.size, node.depth = values, size, depth
        return taken

    def _copy(self, count: int) -> None:
        self._copied += count
        if self._copied > len(self._data):
            raise unclear("a pickle that copies its bytes again and again")

    def _open(self, kind: type) -> _Node:
        top = self._top()
        if type(top) is not _Node or type(top.value) is not kind:
            raise damaged(f"a pickle that adds to what is no {kind.__name__}")
        if top.closed:
            raise unclear(f"a pickle in which a {kind.__name__} grows after it was used")
        return top

    # Plain values.

    def _none(self) -> None:
        self._stack.append(None)

    def _true(self) -> None:
        self._stack.append(True)

    def _false(self) -> None:
        self._stack.append(False)

    def _decimal(self) -> None:
        line = self._line()
        if line in (b"00", b"01"):
            self._stack.append(line == b"01")
        else:
            self._stack.append(self._number(line))

    def _long_decimal(self) -> None:
        self._stack.append(self._number(self._line().removesuffix(b"L")))

    def _number(self, line: bytes) -> int:
        if not _INTEGER.fullmatch(line):
            raise damaged("a pickle with a number that is none")
        return int(line)

    def _int_1(self) -> None:
        self._stack.append(self._unsigned(1))

    def _int_2(self) -> None:
        self._stack.append(self._unsigned(2))

    def _int_4(self) -> None:
        self._stack.append(int.from_bytes(self._bytes(4), "little", signed=True))

    def _long(self, width: int) -> None:
        count = self._unsigned(width)
        if count > INTEGER_BYTES:
            raise unclear(f"a pickle with a whole number of {count} bytes")
        self._stack.append(int.from_bytes(self._bytes(count), "little", signed=True))

    def _long_1(self) -> None:
        self._long(1)

    def _long_4(self) -> None:
        self._long(4)

    def _float_line(self) -> None:
        try:
            self._stack.append(float(self._line()))
        except ValueError:
            raise damaged("a pickle with a number that is none") from None

    def _float(self) -> None:
        self._stack.append(struct.unpack(">d", self._bytes(8))[0])

    def _text(self, width: int) -> None:
        raw = self._bytes(self._unsigned(width))
        if not raw.isascii() and _BEYOND_LATIN_1.search(raw):
            self._widen(len(raw))
        try:
            self._stack.append(raw.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise damaged("a pickle with a text that is no UTF-8") from None

    def _widen(self, count: int) -> None:
        self._wide += count
        if self._wide > _WIDE_LIMIT:
            raise unclear(f"a pickle with more than {_WIDE_LIMIT} bytes of texts beyond Latin-1")

    def _text_1(self) -> None:
        self._text(1)

    def _text_4(self) -> None:
        self._text(4)

    def _text_8(self) -> None:
        self._text(8)

    def _text_line(self) -> None:
        raw = self._line(_WIDE_LIMIT)
        if b"\\" in raw:
            self._widen(len(raw))
        try:
            self._stack.append(raw.decode("raw-unicode-escape"))
        except UnicodeDecodeError:
            raise damaged("a pickle with a text that is none") from None

    def _bytes_1(self) -> None:
        self._stack.append(self._bytes(self._unsigned(1)))

    def _bytes_4(self) -> None:
        self._stack.append(self._bytes(self._unsigned(4)))

    def _bytes_8(self) -> None:
        self._stack.append(self._bytes(self._unsigned(8)))

    def _old_text(self, raw: bytes) -> None:
        if not self._old_text_is_bytes and len(raw) <= _WIDE_LIMIT:
            self._widen(0 if raw.isascii() else len(raw))
            try:
                self._stack.append(raw.decode("utf-8"))
                return
            except UnicodeDecodeError:  # the numbers of an array or scalar
                pass
        self._stack.append(raw)

    def _old_text_1(self) -> None:
        self._old_text(self._bytes(self._unsigned(1)))

    def _old_text_4(self) -> None:
        self._old_text(self._bytes(self._unsigned(4)))

    def _old_text_line(self) -> None:
        line = self._line(None)
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1] != line[0]:
            raise damaged("a pickle with a string that has no quotes")
        self._old_text(_ESCAPE.sub(_unescaped, line[1:-1]) if b"\\" in line else line[1:-1])

    # Containers.

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _empty_list(self) -> None:
        self._stack.append(_Node([]))

    def _empty_tuple(self) -> None:
        self._stack.append(_Node(()))

    def _empty_dict(self) -> None:
        self._stack.append(_Node({}))

    def _list(self) -> None:
        node = _Node(None)
        node.value = self._take(node, self._marked())
        self._stack.append(node)

    def _tuple(self) -> None:
        self._make_tuple(self._marked())

    def _tuple_1(self) -> None:
        self._make_tuple([self._pop()])

    def _tuple_2(self) -> None:
        second = self._pop()
        self._make_tuple([self._pop(), second])

    def _tuple_3(self) -> None:
        third, second = self._pop(), self._pop()
        self._make_tuple([self._pop(), second, third])

    def _make_tuple(self, items: list[Any]) -> None:
        node = _Node(None)
        node.value = tuple(self._take(node, items))
        self._stack.append(node)

    def _dict(self) -> None:
        items = self._marked()
        node = _Node({})
        self._fill_dict(node, items)
        self._stack.append(node)

    def _append(self) -> None:
        item = self._pop()
        self._extend([item])

    def _appends(self) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        node = self._open(list)
        node.value.extend(self._take(node, items))

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._fill_dict(self._open(dict), [key, value])

    def _set_items(self) -> None:
        items = self._marked()
        self._fill_dict(self._open(dict), items)

    def _fill_dict(self, node: _Node, items: list[Any]) -> None:
        if len(items) % 2:
            raise damaged("a pickle with a key that has no value")
        taken = self._take(node, items)
        target = node.value
        for index in range(0, len(taken), 2):
            key = taken[index]
            if type(key) is int:
                self._check_key(key, len(target))
            elif key is not None and type(key) not in (str, bytes, bool):
                raise unclear(f"a pickle with a key of type {type(key).__name__}")
            target[key] = taken[index + 1]

    def _check_key(self, key: int, count: int) -> None:
        """Bound the cost of whole numbers as keys, which anybody can choose so that they collide."""
        if 0 <= key <= count + _DENSE:
            return
        self._sparse_keys += 1
        if self._sparse_keys > _SPARSE_KEYS or count > 2 * _SPARSE_KEYS or abs(key) >> 63:
            raise unclear("a pickle with many whole numbers as keys that do not follow each other")

    # The stack and the memo.

    def _drop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):  # as pickle's own reader does
            self._marks.pop()
            return
        item = self._pop()
        if type(item) is _Node:
            item.closed = True

    def _drop_marked(self) -> None:
        for item in self._marked():
            if type(item) is _Node:
                item.closed = True

    def _double(self) -> None:
        self._refer(self._top())

    def _refer(self, item: Any) -> None:
        if type(item) is _Node:
            item.closed = True
        self._stack.append(item)

    def _keep(self, index: int) -> None:
        item, memo = self._top(), self._memo
        if index == len(memo):
            memo.append(item)
            return
        if index > MEMO_LIMIT:
            raise unclear(f"a pickle with memo entry {index}")
        if index > len(memo):
            memo.extend([_EMPTY] * (index + 1 - len(memo)))
        memo[index] = item

    def _memoize(self) -> None:
        self._keep(len(self._memo))

    def _put_line(self) -> None:
        self._keep(self._index(self._line()))

    def _put_1(self) -> None:
        self._keep(self._unsigned(1))

    def _put_4(self) -> None:
        self._keep(self._unsigned(4))

    def _index(self, line: bytes) -> int:
        if not line.isdigit() or len(line) > _DIGIT_LIMIT:
            raise damaged("a pickle with a number that is none")
        return int(line)

    def _get(self, index: int) -> None:
        item = self._memo[index] if index < len(self._memo) else _EMPTY
        if item is _EMPTY:
            raise damaged("a pickle that refers to a value before it")
        self._refer(item)

    def _get_line(self) -> None:
        self._get(self._index(self._line()))

    def _get_1(self) -> None:
        self._get(self._unsigned(1))

    def _get_4(self) -> None:
        self._get(self._unsigned(4))

    # What a pickle names.

    def _name_lines(self) -> None:
        module, name = self._line(), self._line()
        try:
            self._name(module.decode("ascii"), name.decode("ascii"))
        except UnicodeDecodeError:
            raise unclear("a pickle with a name of code that is no name") from None

    def _name_pair(self) -> None:
        name, module = self._pop(), self._pop()
        if type(module) is not str or type(name) is not str:
            raise damaged("a pickle with a name that is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        entry = self._admitted.get((module, name))
        if entry is None:
            whole = f"{module[:_LINE_LIMIT]}.{name[:_LINE_LIMIT]}"
            raise code(whole) if _NAME.fullmatch(whole) else unclear("a pickle with a name of code that is no name")
        node = _Node(entry if entry.value is None else entry.value)
        node.entry = entry
        self._stack.append(node)

    def _old_instance(self) -> None:
        self._name_lines()  # the name that is not admitted
        raise unclear("a pickle with an object of Python 2")

    def _call(self) -> None:
        arguments, entry = self._pop(), self._pop()
        if type(arguments) is not _Node or type(arguments.value) is not tuple:
            raise damaged("a pickle with a call whose arguments are no tuple")
        if type(entry) is not _Node or not isinstance(entry.value, Admitted) or entry.value.make is None:
            raise unclear("a pickle that calls what is no function")
        node = _Node(None)
        node.entry = entry.value
        taken = self._take(node, [entry, arguments])[1]
        try:
            result = entry.value.make(taken)
        except Refused as refused:
            raise unclear(f"a pickle with {refused}") from None
        self._push_made(node, result, taken)

    def _push_made(self, node: _Node, result: object, arguments: tuple[Any, ...]) -> None:
        if result is None or type(result) in (bool, int, float, str, bytes):
            if type(result) is bytes:
                self._copy(len(result))
            self._stack.append(result)
            return
        own = getattr(result, "size", None)  # a tensor's or array's, in place of that of its parts
        if own is not None:
            node.values, node.size = 1, own
        node.value = result
        node.closed = any(result is argument for argument in arguments)
        self._take(node, [])
        self._stack.append(node)

    def _build(self) -> None:
        state, node = self._pop(), self._top()
        if type(node) is not _Node or node.entry is None or node.entry.fill is None or node.value is node.entry:
            raise unclear("a pickle that changes what is no object")
        if node.closed:
            raise unclear("a pickle that changes an object after it was used")
        try:
            node.entry.fill(node.value, self._take(node, [state])[0])
        except Refused as refused:
            raise unclear(f"a pickle with {refused}") from None

    def _persistent_id(self) -> None:
        node = _Node(None)
        pid = self._take(node, [self._pop()])[0]
        if self._persistent is None:
            raise unclear("a pickle that refers to parts of an archive")
        try:
            result = self._persistent(pid)
        except Refused as refused:
            raise unclear(f"a pickle with {refused}") from None
        self._stack.append(_Node(result))

    def _protocol(self) -> None:
        version = self._unsigned(1)
        if version > 5:
            raise damaged(f"a pickle of protocol {version}")

    def _frame(self) -> None:
        if self._unsigned(8) > len(self._data) - self._at:
            raise damaged("a pickle that is cut")


_EMPTY = object()
_STOP = ord(".")
_HANDLERS: dict[bytes, Callable[[Machine], None]] = {
    b"N": Machine._none,
    b"\x88": Machine._true,
    b"\x89": Machine._false,
    b"I": Machine._decimal,
    b"L": Machine._long_decimal,
    b"K": Machine._int_1,
    b"M": Machine._int_2,
    b"J": Machine._int_4,
    b"\x8a": Machine._long_1,
    b"\x8b": Machine._long_4,
    b"F": Machine._float_line,
    b"G": Machine._float,
    b"\x8c": Machine._text_1,
    b"X": Machine._text_4,
    b"\x8d": Machine._text_8,
    b"V": Machine._text_line,
    b"C": Machine._bytes_1,
    b"B": Machine._bytes_4,
    b"\x8e": Machine._bytes_8,
    b"\x96": Machine._bytes_8,
    b"U": Machine._old_text_1,
    b"T": Machine._old_text_4,
    b"S": Machine._old_text_line,
    b"(": Machine._mark,
    b"]": Machine._empty_list,
    b")": Machine._empty_tuple,
    b"}": Machine._empty_dict,
    b"l": Machine._list,
    b"t": Machine._tuple,
    b"\x85": Machine._tuple_1,
    b"\x86": Machine._tuple_2,
    b"\x87": Machine._tuple_3,
    b"d": Machine._dict,
    b"a": Machine._append,
    b"e": Machine._appends,
    b"s": Machine._set_item,
    b"u": Machine._set_items,
    b"0": Machine._drop,
    b"1": Machine._drop_marked,
    b"2": Machine._double,
    b"\x94": Machine._memoize,
    b"p": Machine._put_line,
    b"q": Machine._put_1,
    b"r": Machine._put_4,
    b"g": Machine._get_line,
    b"h": Machine._get_1,
    b"j": Machine._get_4,
    b"c": Machine._name_lines,
    b"\x93": Machine._name_pair,
    b"i": Machine._old_instance,
    b"R": Machine._call,
    b"\x81": Machine._call,
    b"b": Machine._build,
    b"Q": Machine._persistent_id,
    b"\x80": Machine._protocol,
    b"\x95": Machine._frame,
}
_TABLE = [_HANDLERS.get(bytes([number])) for number in range(256)]
_UNUSED = {
    ord("o"): "an object of Python 2",
    ord("P"): "a reference that is no part of an archive",
    0x92: "an object that is made by keywords",
    0x82: "code by number",
    0x83: "code by number",
    0x84: "code by number",
    0x8F: "a set",
    0x90: "a set",
    0x91: "a set",
    0x97: "bytes that lie elsewhere",
    0x98: "bytes that lie elsewhere",
}
"""Instructions that no writer of the files that sltpack reads uses."""


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes.fromhex(match[1].decode("ascii"))
    try:
        return _ESCAPED[match[2]]
    except KeyError:
        raise damaged("a pickle with a string that is none") from None
