"""DnCNN: Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising" (TIP 2017)."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn


class DnCnn(nn.Module):
    """3x3 convolutions, all but the first and the last with batch normalisation, predict the noise.

    Args:
        layers: convolutions.
        channels: of all inner ones.
        colours: 1 for gray images, 3 for colour.
    """

    def __init__(self, layers: int, channels: int, colours: int) -> None:
        super().__init__()
        inner = []
        for _ in range(layers - 2):
            inner += [nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        self.noise = nn.Sequential(
            nn.Conv2d(colours, channels, 3, padding=1), nn.ReLU(inplace=True),
            *inner,
            nn.Conv2d(channels, colours, 3, padding=1),
        )  # fmt: skip
        self.init_weights()

    def init_weights(self) -> None:
        """Weights from N(0, 2 / fan-in) (He et al.), as the paper says; biases 0, normalisation the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Noisy images (N, colours, H, W) -> images of the same shape."""
        return x - self.noise(x)  # type: ignore[no-any-return]


dncnn = partial(DnCnn, 17, 64, 1)
dncnn_colour = partial(DnCnn, 20, 64, 3)
dncnn_blind = partial(DnCnn, 20, 64, 1)
"""DnCNN-B's, for noise of any level."""
dncnn_small = partial(DnCnn, 7, 32, 1)
"""Ours, for a CPU."""
