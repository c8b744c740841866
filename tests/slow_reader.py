"""A second reader of `.slt` files, written from docs/format.md alone: plain integers and the standard library.

It shares no line with sltpack, so where the two disagree, one of them or the page is wrong. It is slow (about 10
microseconds for a weight) and checks what decides the bits; it does not insist on the one string of bytes.
"""

import hashlib
import json
import math
import struct
from dataclasses import dataclass

ITEM_BYTES = {"F32": 4, "F16": 2, "U8": 1}
WEIGHTS, FREEZING = 0, 1


class SlowReaderError(ValueError):
    """The file does not say what docs/format.md says."""


@dataclass(frozen=True)
class SlowTicket:
    """What a `.slt` file says. Masks, bits and weights have one entry for each layer, in the file's order."""

    header: dict  # the slt entry
    freezing: list  # -1 pruned, +1 locked, 0 searched, for each position
    planes: dict  # name -> for each layer, 0 or 1 for each position of the plane's population
    weights: list  # float32 little-endian, bytes
    buffers: dict  # name -> (dtype, shape, bytes)

    @property
    def supermask(self):
        return self.planes["kept"]


def expect(condition, message):
    if not condition:
        raise SlowReaderError(message)


def philox(counter, key):
    """Philox4x64-10: four 64-bit words."""
    c, k = list(counter), list(key)
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(high >> 64) ^ c[1] ^ k[0], high % 2**64, (low >> 64) ^ c[3] ^ k[1], low % 2**64]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return c


def stream(seed, layer, purpose, length):
    """The first bytes of the stream of a layer for a purpose."""
    blocks = (philox([b + 1, 0, 0, 0], [seed, 2 * layer + purpose]) for b in range(-(-length // 32)))
    return b"".join(word.to_bytes(8, "little") for block in blocks for word in block)[:length]


def draws(data):
    """Bytes as 32-bit little-endian integers."""
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]


def float32(x):
    """A float64 rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bit(data, j):
    """Bit j of a string of bytes, least significant first."""
    return data[j // 8] >> j % 8 & 1


def freezing_mask(seed, layer, n, T_p, T_f):
    return [-1 if u < T_p else 1 if u < T_f else 0 for u in draws(stream(seed, layer, FREEZING, 4 * n))]


def units(init, seed, layer, n):
    """The integers that the step scales."""
    if init == "skc":
        data = stream(seed, layer, WEIGHTS, -(-n // 8))
        return [1 - 2 * bit(data, i) for i in range(n)]
    return [2 * (u >> 8) + 1 - 2**24 for u in draws(stream(seed, layer, WEIGHTS, 4 * n))]


def step(init, fan_in, a, b):
    """The float32 that the units are multiplied by; the division of the two integers is rounded once."""
    if init != "ku":
        return float32(math.sqrt((2 * a) / (fan_in * b)))
    return float32(math.sqrt((6 * a) / (fan_in * b)) * 2.0**-24)


def raw_bits(data, n):
    """The n bits of the codec raw."""
    expect(len(data) == -(-n // 8), "length of a plane")
    string = [bit(data, j) for j in range(8 * len(data))]
    expect(not any(string[n:]), "padding of a plane")
    return string[:n]


def way(n, ones):
    """How the codec rans writes a layer."""
    if ones == 0 or ones == n:
        return "empty"
    return "raw" if n > 2**32 or 181 * abs(n - 2 * ones) <= n else "coded"


def whole(number):
    """An integer, once it is seen that 64 bits hold it."""
    expect(0 <= number < 2**64, "an integer of more than 64 bits")
    return number


def chance(z, zeros, ones):
    """The chance of so many zeros and ones in units of 2^-32."""
    result = 2**32
    for factor in zeros * [z] + ones * [2**32 - z]:
        result = whole(result * factor) // 2**32
    return result


def frequencies_of(z, r, sparse):
    """The table of the blocks of r bits."""
    counts, divisor = [value.bit_count() for value in range(2**r)], 2**32
    if sparse:
        divisor = whole(sum(chance(z, zeros, 0) for zeros in range(r)))
    frequencies = [1 + whole((2**24 - 2**r) * chance(z, r - ones, ones - sparse)) // divisor for ones in counts]
    frequencies[0] *= not sparse
    frequencies[-1] += 2**24 - sum(frequencies)
    return frequencies


class Rans:
    """The lanes of the codec rans and the words that they have not read."""

    def __init__(self, states, words):
        self.states, self.words = states, words
        expect(all(state >= 2**32 for state in states), "a state below 2^32")

    def segment(self, count, frequencies):
        """The next `count` symbols, by one table."""
        starts = [sum(frequencies[:symbol]) for symbol in range(len(frequencies))]
        expect(sum(frequencies) == 2**24, "sum of the frequencies")
        symbols = []
        for i in range(count):
            lane = i % len(self.states)
            high, slot = divmod(self.states[lane], 2**24)
            symbol = max(s for s, start in enumerate(starts) if start <= slot and frequencies[s])
            state = whole(frequencies[symbol] * high + slot - starts[symbol])
            if state < 2**32:
                expect(self.words, "too few words")
                state = whole(state * 2**32 + self.words.pop(0))
            self.states[lane] = state
            symbols.append(symbol)
        return symbols

    def string(self, n, z):
        """n bits, z the share of zeros in units of 2^-32."""
        count, rest = divmod(n, 8)
        sparse = z > 7 * 2**29 and n >= 8
        blocks = self.string(count, chance(z, 8, 0)) if sparse else [1] * count
        read = iter(self.segment(sum(blocks), frequencies_of(z, 8, sparse)))
        bits = []
        for present in blocks:
            value = next(read) if present else 0
            bits += [value >> j & 1 for j in range(8)]
        if rest:
            (value,) = self.segment(1, frequencies_of(z, rest, False))
            bits += [value >> j & 1 for j in range(rest)]
        return bits

    def layer(self, n, ones):
        """n bits with so many ones."""
        rarer = min(ones, n - ones)
        bits = self.string(n, whole((n - rarer) * 2**32) // n)
        return bits if rarer == ones else [1 - b for b in bits]


def rans_bits(data, layers):
    """The bits of the codec rans; `layers` has (length, ones) of each."""
    ways = [way(*layer) for layer in layers]
    expect(len(data) >= 2, "length of a plane")
    lanes = int.from_bytes(data[:2], "little")
    n = sum(layer[0] for layer, its_way in zip(layers, ways, strict=True) if its_way == "raw")
    begin = 2 + -(-n // 8)
    plain = raw_bits(data[2:begin], n)
    states = [data[i : i + 8] for i in range(begin, begin + 8 * lanes, 8)]
    words = [data[i : i + 4] for i in range(begin + 8 * lanes, len(data), 4)]
    expect(all(len(state) == 8 for state in states) and all(len(word) == 4 for word in words), "length of a plane")
    fewest = min(65535, 1 + 4 * len(words) // 8192)
    expect(lanes >= fewest if "coded" in ways else lanes == len(words) == 0, "number of lanes")
    rans = Rans([int.from_bytes(x, "little") for x in states], [int.from_bytes(x, "little") for x in words])
    string = []
    for (length, ones), its_way in zip(layers, ways, strict=True):
        if its_way == "coded":
            string += rans.layer(length, ones)
        elif its_way == "raw":
            string, plain = string + plain[:length], plain[length:]
        else:
            string += [1 if ones else 0] * length
    expect(not rans.words, "words behind the last layer")
    expect(all(state == 2**32 for state in rans.states), "the lanes' last states")
    return string


def container(data):
    """The slt text and the tensors `{name: (dtype, bytes)}`; checks file_sha256."""
    expect(len(data) >= 8, "no header length")
    length = int.from_bytes(data[:8], "little")
    expect(length <= len(data) - 8 and length % 8 == 0, "header length")
    expect(data[8:40] == b'{"__metadata__":{"file_sha256":"', "the first entry is not file_sha256")
    expect(hashlib.sha256(data[:40] + data[104:]).hexdigest().encode() == data[40:104], "file_sha256")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    body = data[8 + length :]
    metadata = header.pop("__metadata__")
    expect(list(metadata) == ["file_sha256", "slt"], "entries of __metadata__")

    tensors, position = {}, 0
    for name, entry in header.items():
        expect(list(entry) == ["dtype", "shape", "data_offsets"], f"entries of {name}")
        begin, end = entry["data_offsets"]
        expect(begin == position <= end <= len(body), f"offsets of {name}")
        expect([end - begin] == [n * ITEM_BYTES[entry["dtype"]] for n in entry["shape"]], f"bytes of {name}")
        expect(begin % ITEM_BYTES[entry["dtype"]] == 0, f"alignment of {name}")
        tensors[name] = (entry["dtype"], body[begin:end])
        position = end
    expect(position == len(body), "bytes behind the last tensor")
    return metadata["slt"], tensors


def numbers(letter, data):
    """Little-endian floats as Python's, which hold both kinds exactly."""
    return [number for (number,) in struct.iter_unpack(f"<{letter}", data)]


def buffers_of(rows, tensors):
    """name -> (dtype, shape, bytes), from the rows of the table and the three tensors."""
    at = dict.fromkeys(("buffers.f32", "buffers.f16", "buffers.u8"), 0)

    def take(kind, count):
        size = {"f32": 4, "f16": 2, "u8": 1}[kind]
        data = tensors.get(f"buffers.{kind}", ("", b""))[1]
        begin = at[f"buffers.{kind}"]
        at[f"buffers.{kind}"] = begin + size * count
        expect(begin + size * count <= len(data), f"length of buffers.{kind}")
        return data[begin : begin + size * count]

    found = {}
    for given, shape, kind in rows:
        expect(not isinstance(given, list) or len(given) > 1, "a list of one name")
        n = math.prod(shape)
        if kind == "norm-q8":
            s, t = numbers("f", take("f32", 2))
            u, v = take("u8", n), take("u8", n)
            deviation = [float32((code + 1) ** 2 * t) for code in v]
            mean = [float32(float32((code - 128) * s) * d) for code, d in zip(u, deviation, strict=True)]
            both = struct.pack(f"<{n}f", *mean), struct.pack(f"<{n}f", *(float32(d * d) for d in deviation))
        else:
            both = [take(kind.removeprefix("norm-"), n) for _ in range(2 if kind.startswith("norm-") else 1)]
        ends = [".running_mean", ".running_var"] if kind.startswith("norm-") else [""]
        for end, data in zip(ends, both, strict=True):
            for name in given if isinstance(given, list) else [given]:
                expect(name + end not in found, f"buffer {name + end} twice")
                found[name + end] = ("F16" if kind.endswith("f16") else "F32", shape, data)
    expect(all(end == len(tensors.get(name, ("", b""))[1]) for name, end in at.items()), "length of the buffers")
    return found


def parameters_of(name):
    """The parameters that a row of the layer table fills."""
    names = name if isinstance(name, list) else [name]
    return [each[1:] if each.startswith("=") else f"{each}.weight" for each in names]


def read(data: bytes) -> SlowTicket:
    """The ticket in the bytes of a `.slt` file."""
    text, tensors = container(data)
    header = json.loads(text)
    expect(header["version"] == 1, "version")
    codec, init, scale, rows = (header[key] for key in ("codec", "init", "scale", "layers"))
    expect(codec in ("raw", "rans"), "codec")
    expect(init in ("ku", "skc", "none"), "init")
    expect(scale in ("none", "layer", "global", "stored"), "scale")
    further = header.get("planes", [])
    coats = [name for name in further if name != "sign"]
    expect(further in (coats, [*coats, "sign"]), "planes")
    expect(coats == [f"coat {2 + j}" for j in range(len(coats))], "planes")
    given = [name for name in tensors if name.startswith("values.")]
    expect(len(given) <= 1 and not (given and further), "values beside planes, or twice")
    expect("sign" not in further or init != "ku", "signs of ku")
    expect(init != "none" or given or "sign" in further, "no weights")
    expect(not (init == "none" and given) or scale == "none", "scale")
    expect((scale == "stored") == ("steps" in tensors), "steps")
    parameters = [parameter for row in rows for parameter in parameters_of(row[0])]
    expect(len(set(parameters)) == len(parameters), "a parameter twice")

    order = ["buffers.f32", "steps", "values.f32", "buffers.f16", "values.f16", "buffers.u8", "kept", *further]
    expect(list(tensors) == [name for name in order if name in tensors], "order of the tensors")
    for name, (dtype, _) in tensors.items():
        expect(dtype == {"f32": "F32", "steps": "F32", "f16": "F16"}.get(name.split(".")[-1], "U8"), f"type of {name}")

    # What each plane is over, and its ones, layer by layer.
    population = {"kept": [(math.prod(row[1]) - row[4] - row[5], row[6] - row[5]) for row in rows]}
    for number, name in enumerate(further):
        before = "kept" if name == "sign" or number == 0 else coats[number - 1]
        population[name] = [(ones, row[7 + number]) for (_, ones), row in zip(population[before], rows, strict=True)]
    planes = {}
    for name, counts in population.items():
        expect(all(0 <= ones <= length for length, ones in counts), f"counts of {name}")
        whole_plane = sum(length for length, _ in counts)
        string = raw_bits(tensors[name][1], whole_plane) if codec == "raw" else rans_bits(tensors[name][1], counts)
        planes[name], begin = [], 0
        for index, (length, ones) in enumerate(counts):
            planes[name].append(string[begin : begin + length])
            expect(sum(planes[name][-1]) == ones, f"ones in {name} of {rows[index][0]}")
            begin += length

    steps = numbers("f", tensors["steps"][1]) if scale == "stored" else None
    values = numbers({"values.f32": "f", "values.f16": "e"}[given[0]], tensors[given[0]][1]) if given else None
    expect(all(map(math.isfinite, [*(steps or []), *(values or [])])), "a number that is not finite")
    expect(values is None or len(values) == sum(ones for _, ones in population["kept"]), "number of values")
    expect(steps is None or len(steps) == len(rows), "number of steps")

    multiplicities = []
    for index in range(len(rows)):
        times = [[1] for b in planes["kept"][index] if b]  # a list each, so that coats can add to it
        inner = times
        for name in coats:
            inner = [one for one, b in zip(inner, planes[name][index], strict=True) if b]
            for one in inner:
                one[0] += 1
        multiplicities.append([one[0] for one in times])
    squares = [row[5] + sum(m * m for m in times) for row, times in zip(rows, multiplicities, strict=True)]
    n_all = sum(math.prod(row[1]) for row in rows)

    masks, weights, read_values = [], [], iter(values or [])
    for layer, (name, shape, T_p, T_f, pruned, locked, kept, *_) in enumerate(rows):
        n = math.prod(shape)
        expect(0 <= T_p <= T_f <= 2**32, f"thresholds of {name}")
        expect(init != "none" or locked == 0, f"locked weights of {name}")
        mask = freezing_mask(header["seeds"]["freezing"], layer, n, T_p, T_f)
        expect((mask.count(-1), mask.count(1)) == (pruned, locked), f"frozen positions of {name}")
        effective = [0.0] * n
        if kept > 0:
            a, b = {"none": (1, 1), "layer": (n, squares[layer]), "global": (n_all, sum(squares))}.get(scale, (0, 0))
            factor = steps[layer] if steps else step(init, math.prod(shape[1:]), a, b)
            expect(factor > 0, f"step of {name}")
            drawn = [1] * n if init == "none" else units(init, header["seeds"]["weights"], layer, n)
            unread, times = iter(planes["kept"][layer]), iter(multiplicities[layer])
            signs = iter(planes["sign"][layer]) if "sign" in planes else None
            for i in range(n):
                if mask[i] == 1:
                    effective[i] = float32(drawn[i] * factor)
                elif mask[i] == 0 and next(unread):
                    unit = 1 - 2 * next(signs) if signs else drawn[i]
                    weight = next(read_values) if values is not None else float32(unit * factor)
                    m = next(times)
                    effective[i] = float32(weight * m) if m > 1 else weight
        masks.append(mask)
        weights.append(struct.pack(f"<{n}f", *effective))
    expect(hashlib.sha256(b"".join(weights)).hexdigest() == header["weights_sha256"], "weights_sha256")

    buffers = buffers_of(header.get("buffers", []), tensors)
    expect(not set(buffers) & set(parameters), "a buffer with the name of a layer's parameter")
    return SlowTicket(header, masks, planes, weights, buffers)
