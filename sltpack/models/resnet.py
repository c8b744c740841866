"""ResNet-18, -34 and -50 (He et al. 2016), in the form for CIFAR's small images and in the one for ImageNet."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STAGES = (64, 128, 256, 512)
"""Channels of each stage at width 1; a bottleneck puts out four times as many."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes.

    Args:
        channels: channels that come in.
        inner: channels of both convolutions.
        stride: of the first convolution and the shortcut.
    """

    expansion = 1

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 3, stride, padding=1, bias=False)
        self.norm1 = _norm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.norm2 = _norm(inner)
        self.shortcut = _shortcut(channels, inner, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, inner, H / stride, W / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(x)), inplace=True)  # (B, inner, H / stride, W / stride)
        hidden = self.norm2(self.conv2(hidden))
        return functional.relu(hidden + self.shortcut(x), inplace=True)


class Bottleneck(nn.Module):
    """A 1x1 convolution to fewer channels, a 3x3, a 1x1 to four times as many, and a shortcut.

    The 3x3 convolution has the stride, as in torchvision ("ResNet v1.5"), not the first 1x1 as in the paper: so every
    value that comes in is looked at.

    Args:
        channels: channels that come in.
        inner: channels of the first two convolutions.
        stride: of the 3x3 convolution and the shortcut.
    """

    expansion = 4

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.norm1 = _norm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.norm2 = _norm(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.norm3 = _norm(4 * inner)
        self.shortcut = _shortcut(channels, 4 * inner, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, H, W) to (B, 4 * inner, H / stride, W / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(x)), inplace=True)  # (B, inner, H, W)
        hidden = functional.relu(self.norm2(self.conv2(hidden)), inplace=True)  # (B, inner, H / stride, W / stride)
        hidden = self.norm3(self.conv3(hidden))  # (B, 4 * inner, H / stride, W / stride)
        return functional.relu(hidden + self.shortcut(x), inplace=True)


BLOCKS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
"""The kind of blocks and how many in each stage, by depth."""


class ResNet(nn.Module):
    """A first convolution, four stages of blocks, the mean over the image, and a linear layer.

    Args:
        depth: 18, 34 or 50.
        large: whether the images are as large as ImageNet's. A 7x7 convolution and a 3x3 maximum then halve them twice
            before the blocks; otherwise a 3x3 convolution leaves them as large as they are.
        width: factor of all channels.
        classes: how many outputs.
        input_shape: channels, height, width of the images.
    """

    def __init__(self, depth: int, large: bool, width: float, classes: int, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels = max(1, round(STAGES[0] * width))
        size, stride = (7, 2) if large else (3, 1)
        self.conv = nn.Conv2d(input_shape[0], channels, size, stride, padding=size // 2, bias=False)
        self.norm = _norm(channels)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        block, counts = BLOCKS[depth]
        blocks = []
        for stage, count in enumerate(counts):
            inner = max(1, round(STAGES[stage] * width))
            for number in range(count):
                blocks.append(block(channels, inner, 2 if stage and not number else 1))
                channels = block.expansion * inner
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to class scores (B, classes)."""
        hidden = functional.relu(self.norm(self.conv(x)), inplace=True)  # (B, first, H, W), large: H / 2, W / 2
        hidden = self.pool(hidden)  # (B, first, H, W), large: H / 4, W / 4
        hidden = self.blocks(hidden)  # (B, channels, H / 8, W / 8), large: H / 32, W / 32
        scores: torch.Tensor = self.linear(hidden.mean((2, 3)))  # (B, classes)
        return scores


def _shortcut(channels: int, out: int, stride: int) -> nn.Module:
    if stride == 1 and channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), _norm(out))


def _norm(channels: int) -> nn.BatchNorm2d:
    # Without learned parameters: a ticket holds nothing trained (Otsuka et al. 2024, section 4).
    return nn.BatchNorm2d(channels, affine=False)
