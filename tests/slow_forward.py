"""A second way to run the network of a `.slt` file, written from docs/format.md, "Running it", alone, in plain Python.

It shares no line with sltpack or torch, so where the two disagree, one of them or the page is wrong. Numbers are Python's
own, of 64 bits, and so differ from float32 by its rounding alone.
"""

import math

COUNT = 32


def at(values, shape, *index):
    """The number at an index of a flat list in C order."""
    place = 0
    for i, size in zip(index, shape, strict=True):
        place = place * size + i
    return values[place]


def relu(x):
    if isinstance(x, list):
        return [relu(value) for value in x]
    return max(x, 0.0)


def add(x, y):
    if isinstance(x, list):
        return [add(one, other) for one, other in zip(x, y, strict=True)]
    return x + y


def channels(number, width):
    return max(1, round(number * width))


# Layers. An image is a list of channels, each a list of rows.


def convolve(image, weights, shape, stride, padding):
    outs, ins, kernel, _ = shape
    height, breadth = len(image[0]), len(image[0][0])

    def value(out, y, x):
        total = 0.0
        for i in range(ins):
            for dy in range(kernel):
                for dx in range(kernel):
                    row, column = y * stride + dy - padding, x * stride + dx - padding
                    if 0 <= row < height and 0 <= column < breadth:
                        total += at(weights, shape, out, i, dy, dx) * image[i][row][column]
        return total

    rows = (height + 2 * padding - kernel) // stride + 1
    columns = (breadth + 2 * padding - kernel) // stride + 1
    return [[[value(out, y, x) for x in range(columns)] for y in range(rows)] for out in range(outs)]


def pool(image, kernel, stride, padding):
    def value(channel, y, x):
        rows = range(max(0, y * stride - padding), min(len(channel), y * stride - padding + kernel))
        columns = range(max(0, x * stride - padding), min(len(channel[0]), x * stride - padding + kernel))
        return max(channel[row][column] for row in rows for column in columns)

    rows = (len(image[0]) + 2 * padding - kernel) // stride + 1
    columns = (len(image[0][0]) + 2 * padding - kernel) // stride + 1
    return [[[value(channel, y, x) for x in range(columns)] for y in range(rows)] for channel in image]


def linear(features, weights, shape):
    outs, ins = shape
    return [sum(at(weights, shape, out, i) * features[i] for i in range(ins)) for out in range(outs)]


def norm(image, mean, variance):
    return [
        [[(value - m) / math.sqrt(v + 1e-5) for value in row] for row in channel]
        for channel, m, v in zip(image, mean, variance, strict=True)
    ]


# Models. `weights` has (shape, flat list) by the names of the layer table, `buffers` flat lists by name.


def run_conv(depth, image, weights):
    for number in range(1, depth + 1):
        shape, values = weights[f"conv{number}"]
        image = relu(convolve(image, values, shape, 1, 1))
        if number % 2 == 0:
            image = pool(image, 2, 2, 0)
    features = [value for channel in image for row in channel for value in row]
    for name in ("linear1", "linear2"):
        features = relu(linear(features, weights[name][1], weights[name][0]))
    return linear(features, weights["linear3"][1], weights["linear3"][0])


BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def run_resnet(depth, large, image, weights, buffers):
    def layer(x, conv, of_norm, stride, padding):
        shape, values = weights[conv]
        mean, variance = buffers[f"{of_norm}.running_mean"], buffers[f"{of_norm}.running_var"]
        return norm(convolve(x, values, shape, stride, padding), mean, variance)

    x = relu(layer(image, "conv", "norm", 2 if large else 1, 3 if large else 1))
    if large:
        x = pool(x, 3, 2, 1)
    number = 0
    for stage, count in enumerate(BLOCKS[depth]):
        for first in (i == 0 for i in range(count)):
            stride, name = 2 if stage > 0 and first else 1, f"blocks.{number}"
            if depth == 50:
                hidden = relu(layer(x, f"{name}.conv1", f"{name}.norm1", 1, 0))
                hidden = relu(layer(hidden, f"{name}.conv2", f"{name}.norm2", stride, 1))
                hidden = layer(hidden, f"{name}.conv3", f"{name}.norm3", 1, 0)
            else:
                hidden = relu(layer(x, f"{name}.conv1", f"{name}.norm1", stride, 1))
                hidden = layer(hidden, f"{name}.conv2", f"{name}.norm2", 1, 1)
            if f"{name}.shortcut.0" in weights:
                x = layer(x, f"{name}.shortcut.0", f"{name}.shortcut.1", stride, 0)
            x = relu(add(hidden, x))
            number += 1
    means = [sum(map(sum, channel)) / (len(channel) * len(channel[0])) for channel in x]
    return linear(means, weights["linear"][1], weights["linear"][0])


def run_gin(nodes, neighbours, weights):
    """The class scores of all nodes of a graph; `neighbours` has the list of each node's."""

    def gather(node):
        mean = [
            sum(column) / len(neighbours[node]) for column in zip(*(nodes[j] for j in neighbours[node]), strict=True)
        ]
        return add(nodes[node], mean) if mean else nodes[node]

    def norm_over_nodes(rows):
        columns = []
        for column in zip(*rows, strict=True):
            mean = sum(column) / len(column)
            variance = sum((value - mean) ** 2 for value in column) / len(column)
            columns.append([(value - mean) / math.sqrt(variance + 1e-5) for value in column])
        return [list(row) for row in zip(*columns, strict=True)]

    for number in range(1, 5):
        shape, values = weights[f"linear{number}"]
        third = nodes
        nodes = relu(norm_over_nodes([linear(gather(node), values, shape) for node in range(len(nodes))]))
    shape, values = weights["linear5"]
    last = [linear(node, values, shape) for node in third]
    return [[value / 2 for value in add(one, other)] for one, other in zip(last, nodes, strict=True)]


# Input.


def preprocess(pixels, given):
    """A picture of bytes, [height][width][channels], as an image."""
    low, high = given["range"]
    return [
        [[(low + pixel[c] / 255 * (high - low) - mean) / deviation for pixel in row] for row in pixels]
        for c, (mean, deviation) in enumerate(zip(given["mean"], given["deviation"], strict=True))
    ]


def box_of(fit, width, height, new_width, new_height):
    """Left, top, right and bottom edge of the part of a picture that is scaled."""
    if fit == "cover":
        across, down = min(width, height * new_width / new_height), min(height, width * new_height / new_width)
    else:
        across = down = min(width, height) * new_width / round(new_width * 256 / 224)
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def scale(line, start, end, count):
    """`count` bytes of the part of a line of bytes from `start` to `end`."""
    step = (end - start) / count
    reach, result = max(step, 1.0), []
    for i in range(count):
        centre = start + (i + 0.5) * step
        first, last = max(0, int(centre - reach + 0.5)), min(len(line), int(centre + reach + 0.5))
        shares = [max(0.0, 1 - abs(j + 0.5 - centre) / reach) for j in range(first, last)]
        total = sum(share * line[j] for share, j in zip(shares, range(first, last), strict=True))
        result.append(math.floor(total / sum(shares) + 0.5))
    return result


def fit_picture(channel, fit, new_width, new_height):
    """One channel of a picture, a list of rows of bytes, brought to another size."""
    left, top, right, bottom = box_of(fit, len(channel[0]), len(channel), new_width, new_height)
    rows = [scale(row, left, right, new_width) for row in channel]
    columns = [scale(column, top, bottom, new_height) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def generated_picture(i, data, channels, height, width):
    """Picture i of the generated inputs, [height][width][channels], from the first bytes of the stream."""

    def value(c, y, x):
        return data[((i * channels + c) * 4 + y * 4 // height) * 4 + x * 4 // width] // (1 + i % 4)

    return [[[value(c, y, x) for c in range(channels)] for x in range(width)] for y in range(height)]


def generated_graph(data, features):
    """Nodes and neighbours of the generated graph."""
    nodes = [[float(data[i * features + j] >= 224) for j in range(features)] for i in range(COUNT)]
    return nodes, [[(i + step) % COUNT for step in (1, -1, 5, -5)] for i in range(COUNT)]
