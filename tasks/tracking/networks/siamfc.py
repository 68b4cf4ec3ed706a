"""SiamFC of Bertinetto et al., "Fully-Convolutional Siamese Networks for Object Tracking" (ECCV workshops 2016)."""

from __future__ import annotations

from torch import Tensor, nn

from tasks.tracking.networks.correlation import correlate

STRIDE = 8
"""Pixels of the search image from one cell of the response to the next."""


class AlexNet(nn.Sequential):
    """The five convolutions of table 1, without padding; a total stride of 8.

    Args:
        channels: outputs of each.
        groups: of the second, fourth and fifth convolution, 2 in the paper.
    """

    def __init__(self, channels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256), groups: int = 2) -> None:
        c1, c2, c3, c4, c5 = channels
        super().__init__(
            nn.Conv2d(3, c1, 11, stride=2), nn.BatchNorm2d(c1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(c1, c2, 5, groups=groups), nn.BatchNorm2d(c2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(c2, c3, 3), nn.BatchNorm2d(c3), nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, 3, groups=groups), nn.BatchNorm2d(c4), nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, 3, groups=groups),
        )  # fmt: skip


class SiamFC(nn.Module):
    """Backbone and cross-correlation.

    Args:
        backbone: any network (N, 3, H, W) -> (N, C, h, w) of stride 8 without padding; by default the paper's.
        scale: of the response, which sums over thousands of products.
    """

    def __init__(self, backbone: nn.Module | None = None, scale: float = 1e-3) -> None:
        super().__init__()
        self.backbone = backbone if backbone is not None else AlexNet()
        self.scale = scale
        self.init_weights()

    def init_weights(self) -> None:
        """Weights from N(0, 2 / fan-out), biases 0, normalisation the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def template(self, exemplar: Tensor) -> Tensor:
        """Exemplar images (N, 3, 127, 127) -> what `respond` compares with, (N, C, 6, 6) for the paper's backbone."""
        return self.backbone(exemplar)  # type: ignore[no-any-return]

    def respond(self, template: Tensor, search: Tensor) -> Tensor:
        """Templates of (1 or N) and search images (N, 3, 255, 255) -> responses (N, 1, 17, 17)."""
        return self.scale * correlate(template, self.backbone(search))

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Exemplar (N, 3, 127, 127) and search images (N, 3, 255, 255) -> responses (N, 1, 17, 17)."""
        return self.respond(self.template(exemplar), search)


def siamfc() -> SiamFC:
    """The paper's network."""
    return SiamFC()


def siamfc_small() -> SiamFC:
    """A quarter of its width: minutes on a CPU."""
    return SiamFC(AlexNet((24, 64, 96, 96, 64)))
