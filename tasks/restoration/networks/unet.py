"""The U-Net denoiser of DHP's experiments (Li et al., ECCV 2020): Ronneberger et al.'s shape, no normalisation."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def double_conv(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True),
    )  # fmt: skip


class UNet(nn.Module):
    """Levels of two convolutions, twice the channels at half the size each; transposed convolutions and skips back up.

    It predicts the image, not the noise. Images whose sides are no multiples of 2^(levels - 1) are padded at the right
    and at the bottom with copies of their last column and row, and the output is cut.

    Args:
        levels: number of sizes.
        channels: at full size.
        colours: 1 for gray images, 3 for colour.
    """

    def __init__(self, levels: int, channels: int, colours: int) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(levels)]
        self.multiple = 2 ** (levels - 1)
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip([colours, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1])
        self.merge = nn.ModuleList(double_conv(2 * width, width) for width in widths[-2::-1])
        self.tail = nn.Conv2d(channels, colours, 1)
        self.init_weights()

    def init_weights(self) -> None:
        """Convolutions by Glorot's rule with biases 0, transposed ones as torch does it: DHP's code."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Noisy images (N, colours, H, W) -> images of the same shape."""
        height, width = x.shape[2:]
        if height % self.multiple or width % self.multiple:
            x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        skips = []
        for level, convs in enumerate(self.down):
            x = convs(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([up(x), skip], 1))
        return self.tail(x)[:, :, :height, :width]  # type: ignore[no-any-return]


unet_denoiser = partial(UNet, 5, 32, 1)
