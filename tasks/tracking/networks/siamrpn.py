"""SiamRPN++ of Li et al., "SiamRPN++: Evolution of Siamese Visual Tracking with Very Deep Networks" (CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.tracking.networks.correlation import correlate_depthwise

ANCHORS = 5
"""At every place, of five shapes."""
_CENTRE = slice(4, 11)
"""The 7 x 7 cells of a template's 15 x 15 that show the target."""


def _norm_conv(ins: int, outs: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(ins, outs, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(outs))


class Block(nn.Module):
    """A residual block; where the paper's strides are taken away, its convolutions are dilated (section 3.2).

    Args:
        channels: in, inner and out; two 3x3 convolutions if `bottleneck` is False, else 1x1, 3x3, 1x1.
        stride: 2 goes without padding, which keeps a stride of exactly 8 between cells.
        dilation: of the stage; the first block has half of it.
    """

    def __init__(
        self, channels: tuple[int, int, int], stride: int, dilation: int, first: bool, bottleneck: bool
    ) -> None:
        super().__init__()
        ins, inner, outs = channels
        own = max(1, dilation // 2) if first and dilation > 1 else dilation
        padding = 0 if stride == 2 else own
        if bottleneck:
            self.body = nn.Sequential(
                _norm_conv(ins, inner, 1), nn.ReLU(inplace=True),
                _norm_conv(inner, inner, 3, stride, padding, own), nn.ReLU(inplace=True),
                _norm_conv(inner, outs, 1),
            )  # fmt: skip
        else:
            self.body = nn.Sequential(
                _norm_conv(ins, inner, 3, stride, padding, own), nn.ReLU(inplace=True),
                _norm_conv(inner, outs, 3, 1, dilation, dilation),
            )  # fmt: skip
        self.shortcut = nn.Sequential()
        if first and stride == 1 and dilation == 1:
            self.shortcut = _norm_conv(ins, outs, 1)
        elif first:
            self.shortcut = _norm_conv(ins, outs, 3, stride, padding, own)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.body(x) + self.shortcut(x))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A residual network with a total stride of 8, which hands out its last three stages.

    Args:
        blocks: in each of four stages.
        bottleneck: of ResNet-50, else the basic blocks of ResNet-18.
    """

    def __init__(self, blocks: tuple[int, int, int, int], bottleneck: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # fmt: skip
        stages, ins = [], 64
        for count, inner, stride, dilation in zip(blocks, (64, 128, 256, 512), (1, 2, 1, 1), (1, 1, 2, 4), strict=True):
            outs = 4 * inner if bottleneck else inner
            stage = [Block((ins, inner, outs), stride, dilation, True, bottleneck)]
            stage += [Block((outs, inner, outs), 1, dilation, False, bottleneck) for _ in range(count - 1)]
            stages.append(nn.Sequential(*stage))
            ins = outs
        self.stages = nn.ModuleList(stages)
        self.channels = tuple((4 if bottleneck else 1) * inner for inner in (128, 256, 512))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> the second to fourth stage; (N, C, 15, 15) each for 127 pixels, (N, C, 31, 31) for 255."""
        x, found = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[1:]


class Head(nn.Module):
    """Depthwise correlation of one stage, then a small network: one output map per anchor and number (section 3.3)."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.kernel = nn.Sequential(_norm_conv(channels, channels, 3), nn.ReLU(inplace=True))
        self.search = nn.Sequential(_norm_conv(channels, channels, 3), nn.ReLU(inplace=True))
        self.head = nn.Sequential(
            _norm_conv(channels, channels, 1), nn.ReLU(inplace=True), nn.Conv2d(channels, outputs, 1)
        )

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """(N, C, 7, 7) and (N, C, 31, 31) -> (N, outputs, 25, 25)."""
        return self.head(correlate_depthwise(self.kernel(template), self.search(search)))  # type: ignore[no-any-return]


class SiamRPN(nn.Module):
    """Backbone, 1x1 convolutions to a common width, and two heads on every stage, whose outputs are averaged by learned
    weights (section 3.2, layer-wise aggregation).

    Args:
        backbone: (N, 3, H, W) -> feature maps, with their numbers in `channels`.
        width: of the necks and heads.
    """

    def __init__(self, backbone: ResNet, width: int = 256) -> None:
        super().__init__()
        self.backbone = backbone
        self.necks = nn.ModuleList(_norm_conv(channels, width, 1) for channels in backbone.channels)
        self.scores = nn.ModuleList(Head(width, 2 * ANCHORS) for _ in backbone.channels)
        self.boxes = nn.ModuleList(Head(width, 4 * ANCHORS) for _ in backbone.channels)
        self.score_weights = nn.Parameter(torch.ones(len(backbone.channels)))
        self.box_weights = nn.Parameter(torch.ones(len(backbone.channels)))
        self.init_weights()

    def init_weights(self) -> None:
        """Of the backbone N(0, 2 / fan-out), elsewhere as torch has it; the weights of the stages 1 (as pysot)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.ones_(self.score_weights)
        nn.init.ones_(self.box_weights)

    def template(self, exemplar: Tensor) -> list[Tensor]:
        """(N, 3, 127, 127) -> (N, 256, 7, 7) of three stages."""
        return [neck(x)[:, :, _CENTRE, _CENTRE] for neck, x in zip(self.necks, self.backbone(exemplar), strict=True)]

    def respond(self, template: list[Tensor], search: Tensor) -> tuple[Tensor, Tensor]:
        """Templates and search images (N, 3, 255, 255) -> scores (N, 2 A, 25, 25) and box offsets (N, 4 A, 25, 25)."""
        features = [neck(x) for neck, x in zip(self.necks, self.backbone(search), strict=True)]
        found = []
        for heads, weights in ((self.scores, self.score_weights), (self.boxes, self.box_weights)):
            shares = weights.softmax(0)
            maps = [head(z, x) for head, z, x in zip(heads, template, features, strict=True)]
            found.append(sum(share * output for share, output in zip(shares, maps, strict=True)))
        return found[0], found[1]

    def forward(self, exemplar: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Exemplar (N, 3, 127, 127) and search images (N, 3, 255, 255) -> see `respond`."""
        return self.respond(self.template(exemplar), search)


def siamrpnpp_r50() -> SiamRPN:
    """The paper's network."""
    return SiamRPN(ResNet((3, 4, 6, 3), bottleneck=True))


def siamrpnpp_r18() -> SiamRPN:
    """With ResNet-18, and necks and heads of half the width."""
    return SiamRPN(ResNet((2, 2, 2, 2), bottleneck=False), width=128)
