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
    supermask: list  # 0 or 1, for each searched position
    weights: list  # float32 little-endian, bytes
    buffers: dict  # name -> (dtype, shape, bytes)


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
    if init == "skc":
        return float32(math.sqrt((2 * a) / (fan_in * b)))
    return float32(math.sqrt((6 * a) / (fan_in * b)) * 2.0**-24)


def raw_bits(data, n):
    """The n bits of the codec raw."""
    expect(len(data) == -(-n // 8), "length of the supermask")
    string = [bit(data, j) for j in range(8 * len(data))]
    expect(not any(string[n:]), "padding of the supermask")
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
    """The bits of the codec rans; `layers` has (searched, ones) of each."""
    ways = [way(*layer) for layer in layers]
    expect(len(data) >= 2, "length of the supermask")
    lanes = int.from_bytes(data[:2], "little")
    n = sum(layer[0] for layer, its_way in zip(layers, ways, strict=True) if its_way == "raw")
    begin = 2 + -(-n // 8)
    plain = raw_bits(data[2:begin], n)
    states = [data[i : i + 8] for i in range(begin, begin + 8 * lanes, 8)]
    words = [data[i : i + 4] for i in range(begin + 8 * lanes, len(data), 4)]
    expect(
        all(len(state) == 8 for state in states) and all(len(word) == 4 for word in words), "length of the supermask"
    )
    fewest = min(65535, 1 + 4 * len(words) // 8192)
    expect(lanes >= fewest if "coded" in ways else lanes == len(words) == 0, "number of lanes")
    rans = Rans([int.from_bytes(x, "little") for x in states], [int.from_bytes(x, "little") for x in words])
    string = []
    for (searched, ones), its_way in zip(layers, ways, strict=True):
        if its_way == "coded":
            string += rans.layer(searched, ones)
        elif its_way == "raw":
            string, plain = string + plain[:searched], plain[searched:]
        else:
            string += [1 if ones else 0] * searched
    expect(not rans.words, "words behind the last layer")
    expect(all(state == 2**32 for state in rans.states), "the lanes' last states")
    return string


def container(data):
    """The slt text, the tensors `{name: (dtype, shape, bytes)}` and nothing else; checks file_sha256."""
    expect(len(data) >= 8, "no header length")
    length = int.from_bytes(data[:8], "little")
    expect(length <= len(data) - 8 and length % 8 == 0, "header length")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    body = data[8 + length :]
    expect(next(iter(header)) == "__metadata__", "the first entry is not __metadata__")
    metadata = header.pop("__metadata__")
    expect(list(metadata) == ["slt", "file_sha256"], "entries of __metadata__")
    expect(list(header)[-1:] == ["supermask"], "the last tensor is not the supermask")

    tensors, position = {}, 0
    for name, entry in header.items():
        expect(list(entry) == ["dtype", "shape", "data_offsets"], f"entries of {name}")
        begin, end = entry["data_offsets"]
        expect(begin == position <= end <= len(body), f"offsets of {name}")
        expect(end - begin == math.prod(entry["shape"]) * ITEM_BYTES[entry["dtype"]], f"bytes of {name}")
        expect(begin % ITEM_BYTES[entry["dtype"]] == 0, f"alignment of {name}")
        tensors[name] = (entry["dtype"], entry["shape"], body[begin:end])
        position = end
    expect(position == len(body), "bytes behind the last tensor")

    order = [(["F32", "F16"].index(tensors[name][0]), name) for name in header if name != "supermask"]
    expect(all(name.startswith("buffer.") for _, name in order), "a tensor that is no buffer")
    expect(order == sorted(order), "order of the buffers")
    expect(tensors["supermask"][0] == "U8" and len(tensors["supermask"][1]) == 1, "the supermask is no list of bytes")
    expect(hashlib.sha256(metadata["slt"].encode("utf-8") + body).hexdigest() == metadata["file_sha256"], "file_sha256")
    return metadata["slt"], tensors


def read(data: bytes) -> SlowTicket:
    """The ticket in the bytes of a `.slt` file."""
    text, tensors = container(data)
    header = json.loads(text)
    expect(header["version"] == 1, "version")
    expect(header["codec"] in ("raw", "rans"), "codec")
    expect(header["init"] in ("ku", "skc"), "init")
    expect(header["scale"] in ("none", "layer", "global"), "scale")
    rows = header["layers"]
    n_all, kept_all = sum(math.prod(row[1]) for row in rows), sum(row[6] for row in rows)

    payload = tensors["supermask"][2]
    counts = [(math.prod(shape) - pruned - locked, kept - locked) for _, shape, _, _, pruned, locked, kept in rows]
    if header["codec"] == "raw":
        string = raw_bits(payload, sum(searched for searched, _ in counts))
    else:
        string = rans_bits(payload, counts)

    masks, supermask, weights, begin = [], [], [], 0
    for layer, (name, shape, T_p, T_f, pruned, locked, kept) in enumerate(rows):
        n = math.prod(shape)
        expect(0 <= T_p <= T_f <= 2**32, f"thresholds of {name}")
        mask = freezing_mask(header["seeds"]["freezing"], layer, n, T_p, T_f)
        expect((mask.count(-1), mask.count(1)) == (pruned, locked), f"frozen positions of {name}")
        bits = string[begin : begin + mask.count(0)]
        begin += len(bits)
        expect(sum(bits) == kept - locked, f"ones in {name}")

        fan_in = math.prod(shape[1:])
        a, b = {"none": (1, 1), "layer": (n, kept), "global": (n_all, kept_all)}[header["scale"]]
        effective, unread = [0.0] * n, iter(bits)
        if kept > 0:
            factor = step(header["init"], fan_in, a, b)
            for i, unit in enumerate(units(header["init"], header["seeds"]["weights"], layer, n)):
                if mask[i] == 1 or (mask[i] == 0 and next(unread)):
                    effective[i] = float32(unit * factor)
        masks.append(mask)
        supermask.append(bits)
        weights.append(struct.pack(f"<{n}f", *effective))
    expect(hashlib.sha256(b"".join(weights)).hexdigest() == header["weights_sha256"], "weights_sha256")

    buffers = {name.removeprefix("buffer."): tensor for name, tensor in tensors.items() if name != "supermask"}
    told = [[name, dtype, shape] for name, (dtype, shape, _) in buffers.items()]
    spelled = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    if "buffers" in header["about"]:
        expect(hashlib.sha256(spelled).hexdigest()[:16] == header["about"]["buffers"], "fingerprint of the buffers")
    return SlowTicket(header, masks, supermask, weights, buffers)
