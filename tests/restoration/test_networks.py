"""The networks against published sizes and costs, their shapes, and the whole search on each of them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.compare.task import find_task
from lwdna_core.networks import build_network
from lwdna_core.shrink import find, trace

NETWORKS = sorted(find_task("restoration").networks)


def colours(name: str) -> int:
    return 1 if name in ("dncnn", "dncnn_blind", "dncnn_small", "unet_denoiser") else 3


def scale(name: str) -> int:
    return int(name[-1]) if name[-2:-1] == "x" else 1


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def gmacs(network: nn.Module, *shape: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(torch.zeros(1, *shape, device="meta"))
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize(
    ("name", "millions", "published"),
    [
        # Millions of parameters, and G MACs at 128 x 128 as DHP's tables 2 and 3 print them: their count of
        # normalisation and activations is the difference. EDSR-baseline as its authors print it.
        ("edsr_x2", 1.37, None),
        ("edsr_x4", 1.52, None),
        ("edsr_8x128_x4", 3.70, 90.37),
        ("srresnet_x4", 1.54, 32.83),
        ("dncnn", 0.56, 9.13),
        ("unet_denoiser", 7.76, 3.41 - 3 * 0.1342),  # there every transposed convolution counts four times
    ],
)
def test_sizes_are_the_published_ones(name: str, millions: float, published: float | None) -> None:
    network = build_network(name)
    assert params(network) / 1e6 == pytest.approx(millions, abs=0.005)
    if published:
        assert gmacs(network, colours(name), 128, 128) == pytest.approx(published, rel=0.006)


@pytest.mark.parametrize(
    ("name", "thousands", "macs"),
    [
        ("edsr_x2", 1369.859, 22.489), ("edsr_x3", 1554.499, 25.650), ("edsr_x4", 1517.571, 32.492),
        ("edsr_8x128_x2", 3106.307, 51.017), ("edsr_8x128_x3", 3844.227, 63.380), ("edsr_8x128_x4", 3696.643, 90.352),
        ("srresnet_x2", 1387.925, 22.715), ("srresnet_x3", 1572.565, 25.877), ("srresnet_x4", 1535.638, 32.719),
        ("dncnn", 557.057, 9.079), ("dncnn_blind", 668.225, 10.891), ("unet_denoiser", 7759.521, 3.008),
    ],
)  # fmt: skip
def test_sizes_are_those_of_the_reference_implementations(name: str, thousands: float, macs: float) -> None:
    """Those of EDSR-PyTorch and DHP, without their mean shifts; MACs at 128 x 128."""
    network = build_network(name)
    assert params(network) == round(1000 * thousands)
    assert gmacs(network, colours(name), 128, 128) == pytest.approx(macs, abs=0.001)


def test_edsr_costs_what_its_field_quotes() -> None:
    assert gmacs(build_network("edsr_x4"), 3, 180, 320) == pytest.approx(114.24, abs=0.01)


@pytest.mark.parametrize("name", NETWORKS)
def test_any_size_of_image(name: str) -> None:
    network = build_network(name).eval()
    for height, width in ((17, 23), (16, 32), (5, 3)):
        out = network(torch.rand(1, colours(name), height, width))
        assert out.shape == (1, colours(name), scale(name) * height, scale(name) * width)


@pytest.mark.parametrize("name", ["edsr_small_x2", "edsr_small_x3", "edsr_small_x4"])
def test_edsr_small_begins_as_bicubic_interpolation(name: str) -> None:
    x = torch.rand(1, 3, 9, 11)
    assert torch.equal(build_network(name)(x), F.interpolate(x, scale_factor=scale(name), mode="bicubic"))


def test_edsr_shifts_the_mean_out_and_in() -> None:
    """Without weights in its last layer the network answers with DIV2K's mean, and of its input it sees the rest."""
    network = build_network("edsr_x2")
    seen: list[Tensor] = []
    network.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    nn.init.zeros_(network.tail.weight)
    nn.init.zeros_(network.tail.bias)
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
    out = network(mean.expand(1, 3, 4, 4))
    assert torch.equal(out, mean.expand(1, 3, 8, 8))
    assert not seen[0].any()


def test_dncnn_subtracts_what_it_predicts() -> None:
    network = build_network("dncnn").eval()
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(network(x) + network.noise(x), x)


def test_unet_of_a_padded_image_is_the_cut_one() -> None:
    """What it pads itself is what its user would pad by hand."""
    network = build_network("unet_denoiser").eval()
    x = torch.rand(1, 1, 21, 40)
    by_hand = network(F.pad(x, (0, 8, 0, 11), mode="replicate"))[:, :, :21, :40]
    torch.testing.assert_close(network(x), by_hand)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_goes_through_the_search(name: str) -> None:
    network = build_network(name)
    batch = torch.rand(1, colours(name), 16, 16)
    target = torch.rand_like(network(batch))
    found = find(
        network, torch.zeros(1, colours(name), 32, 32), [(batch, target)],
        lambda net, pair: F.l1_loss(net(pair[0]), pair[1]),
    )  # fmt: skip
    assert 0.87 < found.found.macs / found.baseline.macs <= 0.9
    assert not found.unscored
    # Frozen is what leaves the network; the rest, long skips and all, is free.
    assert [group.size for group in found.frozen] == [colours(name)]
    smaller = found.apply(network)
    assert smaller(batch).shape == target.shape
    assert params(smaller) == found.found.params


def test_the_trunk_is_one_group_and_every_block_has_its_own() -> None:
    """DHP's sharing of latents: the residual stream in one, the inner width of each block, what upsampling makes."""
    graph = trace(build_network("edsr_small_x2"), torch.zeros(1, 3, 16, 16))
    assert graph.widths == {"head": 32, **{f"blocks.{k}.conv1": 32 for k in range(8)}, "upsampler.0": 32}
