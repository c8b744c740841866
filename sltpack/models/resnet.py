"""ResNet-18 and -34 (He et al. 2016) in their CIFAR form: a 3x3 first convolution and no first pooling."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STAGES = (64, 128, 256, 512)
"""Channels of each stage at width 1."""
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Basic blocks of each stage, by depth."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes.

    Args:
        channels: channels that come in.
        out: channels that go out.
        stride: of the first convolution and the shortcut.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.norm1 = _norm(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = _norm(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), _norm(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (B, channels, H, W) to (B, out, H / stride, W / stride)."""
        hidden = functional.relu(self.norm1(self.conv1(x)), inplace=True)  # (B, out, H / stride, W / stride)
        hidden = self.norm2(self.conv2(hidden))
        return functional.relu(hidden + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """Four stages of basic blocks, the mean over the image, and a linear layer.

    Args:
        depth: 18 or 34.
        width: factor of all channels.
        classes: how many outputs.
        input_shape: channels, height, width of the images.
    """

    def __init__(self, depth: int, width: float, classes: int, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels = max(1, round(STAGES[0] * width))
        self.conv = nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False)
        self.norm = _norm(channels)
        blocks = []
        for stage, count in enumerate(BLOCKS[depth]):
            out = max(1, round(STAGES[stage] * width))
            for number in range(count):
                blocks.append(BasicBlock(channels, out, 2 if stage and not number else 1))
                channels = out
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images (B, C, H, W) to class scores (B, classes)."""
        hidden = functional.relu(self.norm(self.conv(x)), inplace=True)  # (B, channels, H, W)
        hidden = self.blocks(hidden)  # (B, 8 * channels, H / 8, W / 8)
        scores: torch.Tensor = self.linear(hidden.mean((2, 3)))  # (B, classes)
        return scores


def _norm(channels: int) -> nn.BatchNorm2d:
    # Without learned parameters: a ticket holds nothing trained (Otsuka et al. 2024, section 4).
    return nn.BatchNorm2d(channels, affine=False)
