"""Receptive fields against those that the layers add up to; tiles against the whole image; the self-ensemble."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from tasks.restoration.quality import quantized
from tasks.restoration.tiles import ReceptiveField, Tiles, receptive_field, self_ensemble


@pytest.mark.parametrize(
    ("name", "colours", "expected"),
    [
        ("dncnn", 1, ReceptiveField(17, 1)),  # 17 convolutions of 3x3
        ("edsr_8x128_x2", 3, ReceptiveField(20, 1)),  # 1 + 2 * 8 + 1 + 1, and half a pixel
        ("srresnet_x3", 3, ReceptiveField(39, 1)),  # 4 of the 9x9, 2 * 16 + 1 + 1, and a third of a pixel
        ("unet_denoiser", 1, ReceptiveField(94, 16)),
    ],
)
def test_fields_of_the_tasks_networks(name: str, colours: int, expected: ReceptiveField) -> None:
    assert receptive_field(build_network(name), colours) == expected


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3)), min_size=1, max_size=5))
def test_the_field_of_a_chain_is_the_sum_of_its_kernels(layers: list[tuple[int, int]]) -> None:
    chain = nn.Sequential(*(nn.Conv2d(2, 2, k, padding=k // 2 * d, dilation=d) for k, d in layers))
    for parameter in chain.parameters():
        nn.init.zeros_(parameter)  # what a network may come to see counts, not what it sees now
    assert receptive_field(chain, 2) == (sum(k // 2 * d for k, d in layers), 1)


def test_both_directions_count() -> None:
    assert receptive_field(nn.Conv2d(1, 1, (1, 7), padding=(0, 3)), 1).radius == 3
    assert receptive_field(nn.Conv2d(1, 1, (9, 1), padding=(4, 0)), 1).radius == 4


class Recorded(nn.Module):
    """A network that notes how large its inputs are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.sizes = network, list[tuple[int, int]]()

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append((x.shape[2], x.shape[3]))
        out: Tensor = self.network(x)
        return out


@pytest.mark.parametrize(
    ("name", "colours", "side", "size"),
    [
        ("dncnn_small", 1, 48, (150, 101)),
        ("edsr_small_x2", 3, 64, (70, 131)),
        ("edsr_small_x3", 3, 64, (64, 90)),
        ("unet_denoiser", 1, 240, (60, 265)),  # which it pads to 64 x 272
    ],
)
def test_tiles_leave_no_seam_and_stay_small(name: str, colours: int, side: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = Recorded(build_network(name).eval())
    for module in network.modules():  # no zero-initialised last layer: it would hide a seam
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    images = torch.rand(1, colours, *size)
    with torch.no_grad():
        whole = network(images)
    tiles = Tiles(network, side)
    tiles(images)  # measures the network
    network.sizes.clear()
    tiled = tiles(images)
    assert len(network.sizes) > 1 and max(map(max, network.sizes)) <= side
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))
    stretch = 255 / (whole.max() - whole.min())
    levels = [quantized((images - whole.min()) * stretch).int() for images in (tiled, whole)]
    assert (levels[0] - levels[1]).abs().max() <= 1


def test_a_halo_one_pixel_smaller_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(4))).double()
    image = torch.rand(1, 1, 60, 50, dtype=torch.float64)
    with torch.no_grad():
        whole = network(image)
    torch.testing.assert_close(Tiles(network, 24)(image), whole)
    monkeypatch.setattr("tasks.restoration.tiles.receptive_field", lambda *_: ReceptiveField(3, 1))
    assert not torch.allclose(Tiles(network, 24)(image), whole)


def test_an_image_that_fits_is_not_cut() -> None:
    network = Recorded(nn.AdaptiveAvgPool2d(1))  # it could not be
    Tiles(network, 32)(torch.rand(1, 1, 32, 20))
    assert network.sizes == [(32, 20)]


class Attention(nn.Module):
    """Every output depends on the whole image."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean((2, 3), keepdim=True)


def test_what_cannot_work_in_tiles_is_refused() -> None:
    image = torch.rand(1, 1, 80, 80)
    with pytest.raises(LwdnaError, match="depend on the whole image"):
        Tiles(Attention(), 64)(image)
    with pytest.raises(LwdnaError, match="tiles of 14 pixels are too small: expected 15 or more"):
        Tiles(build_network("dncnn_small").eval(), 14)(image)


def test_the_self_ensemble_turns_with_the_image_and_is_the_mean_of_eight() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2)).double()
    image = torch.rand(1, 1, 6, 9, dtype=torch.float64)
    out = self_ensemble(network, image)
    assert out.shape == (1, 1, 12, 18)
    for turns, mirrored in ((1, False), (2, True), (3, True)):

        def laid(x: Tensor, turns: int = turns, mirrored: bool = mirrored) -> Tensor:
            x = x.rot90(turns, (2, 3))
            return x.flip(3) if mirrored else x

        torch.testing.assert_close(self_ensemble(network, laid(image)), laid(out))
    seen: list[Tensor] = []
    self_ensemble(lambda x: (seen.append(x), x)[1], image)
    assert len({tuple(x.flatten().tolist()) + tuple(x.shape) for x in seen}) == 8
