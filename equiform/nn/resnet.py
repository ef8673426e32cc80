"""ResNet encoders of images, with the parameter names of torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn

from equiform._options import check_count, check_flag
from equiform.nn._arguments import (
    check_counts,
    check_images,
    check_like_parameters,
    check_normalizable,
)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """What takes the input past a block, where its shape is not that of the output."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        _Pointwise(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class _Pointwise(nn.Conv2d):
    """A 1×1 convolution; of few channels it takes the pixels of its stride first.

    Where a processor has AVX2 and not AVX-512, the backward pass of oneDNN's own strided one, of
    under 8 channels in channels-last, writes beyond its memory (torch 2.13).
    """

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.in_channels >= 8:
            return super().forward(x)
        s = self.stride[0]
        return nn.functional.conv2d(x[..., ::s, ::s], self.weight, self.bias)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: the block of ResNet-18.

    Args:
        in_channels, width: channels that come in, and of the convolutions; `expansion` times as
            many come out.
        stride: of the first 3×3 convolution.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        check_counts(in_channels=in_channels, width=width, stride=stride)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(n, in_channels, h, w) -> (n, expansion * width, ⌈h / stride⌉, ⌈w / stride⌉)``."""
        _check(self, x, self.bn2, self.conv2.stride[0] * self.conv1.stride[0])
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(x + shortcut)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions beside a shortcut: the block of ResNet-50.

    The stride is that of the 3×3 convolution, as in torchvision, not of the first as in the paper;
    arguments as of :class:`BasicBlock`.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        check_counts(in_channels=in_channels, width=width, stride=stride)
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """As :meth:`BasicBlock.forward`."""
        _check(self, x, self.bn2, self.conv2.stride[0] * self.conv1.stride[0])
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(x)))))
        return self.relu(x + shortcut)


_Block = type[BasicBlock] | type[Bottleneck]


class ResNet(nn.Module):
    r"""Encode images by residual blocks in four stages, of widths w, 2w, 4w and 8w.

    Parameters are named and initialised as in torchvision. `fc` is the identity: an encoder has no
    classifier, so that weights of torchvision load once theirs is left out::

        encoder.load_state_dict({k: v for k, v in weights.items() if not k.startswith("fc.")})

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        layers, width: blocks in each of the four stages; w, channels of the stem and the first.
        cifar_stem: begin with a 3×3 convolution at full resolution, for images of 32×32, in place
            of a 7×7 of stride 2 and a max-pool.
        zero_init_residual: begin each block as its shortcut, with zero for the scale of its last
            batch norm.

    Attributes:
        out_features: dimension of the embedding, 8w times the block's expansion.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stem for small
    images as in Chen et al., ICML 2020, B.9; Goyal et al. 2017, 5.1, for the zeros.
    """

    def __init__(
        self,
        block: _Block,
        layers: Sequence[int],
        *,
        width: int = 64,
        cifar_stem: bool = False,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(block, type) or not hasattr(block, "expansion"):
            raise TypeError(f"block must be the class BasicBlock or Bottleneck, got {block!r}")
        if not isinstance(layers, Sequence) or len(layers) != 4:
            raise ValueError(f"layers must be the depths of four stages, got {layers!r}")
        for depth in layers:
            check_count("layers", depth)
        width = check_count("width", width)
        check_flag("cifar_stem", cifar_stem)
        check_flag("zero_init_residual", zero_init_residual)
        kernel, stride = (3, 1) if cifar_stem else (7, 2)
        self.conv1 = nn.Conv2d(3, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if cifar_stem else nn.MaxPool2d(3, stride=2, padding=1)
        out = block.expansion * width
        self.layer1 = _stage(block, layers[0], width, width, 1)
        self.layer2 = _stage(block, layers[1], out, 2 * width, 2)
        self.layer3 = _stage(block, layers[2], 2 * out, 4 * width, 2)
        self.layer4 = _stage(block, layers[3], 4 * out, 8 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Identity()
        self.out_features = 8 * out
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, BasicBlock | Bottleneck):
                last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Embed images, ``(n, 3, h, w) -> (n, out_features)``, not normalised."""
        _check(self, x, self.bn1, 8 if isinstance(self.maxpool, nn.Identity) else 32)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _check(
    module: BasicBlock | Bottleneck | ResNet, x: Tensor, norm: nn.Module, shrink: int
) -> None:
    """Raise unless x are images that a module can take, whose last sides are so much shorter."""
    check_images("x", x, module.conv1.in_channels)
    check_like_parameters("x", x, module)
    check_normalizable("x", x, norm, shrink)


def _stage(block: _Block, depth: int, in_channels: int, width: int, stride: int) -> nn.Sequential:
    """Blocks one after another, of which the first has the stride."""
    rest = [block(block.expansion * width, width) for _ in range(depth - 1)]
    return nn.Sequential(block(in_channels, width, stride), *rest)


class _Options(TypedDict, total=False):
    width: int
    cifar_stem: bool
    zero_init_residual: bool


def resnet18(**options: Unpack[_Options]) -> ResNet:
    """ResNet-18 without its classifier: 11,176,512 parameters, 512 features.

    Options are those of :class:`ResNet`.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)


def resnet50(**options: Unpack[_Options]) -> ResNet:
    """ResNet-50 without its classifier: 23,508,032 parameters, 2,048 features.

    Options are those of :class:`ResNet`.
    """
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)
