"""The table of hand-written networks: what must be free, with how many elements, what is frozen, and by what."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lwdna_core.shrink import ChannelGraph, trace

from . import branched as b
from . import networks as n
from . import peculiar as p
from .masking import Inputs, example, randomise

ANY = -1  # a size that the specification leaves open


@dataclass(frozen=True)
class Case:
    """`free`: elements of every group that must be resizable; nothing else may be, except the names in `maybe`."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Inputs
    free: Mapping[str, int]
    frozen: tuple[int, ...] | None = None  # sizes of all that modules make and cannot change; None: not told
    reasons: tuple[str, ...] = ()  # each must occur in the reason of a frozen group
    maybe: frozenset[str] = frozenset()  # may be free or frozen
    mixed: frozenset[str] = frozenset()  # must say so in `mixed_by`
    silent: frozenset[str] = frozenset()  # contracted by a product of activations: see masking.masked
    classifier: frozenset[str] | None = None  # exactly these feed the classifier; None: not told
    reads: Mapping[str, frozenset[str]] = field(default_factory=dict)  # group -> exactly the weights that read it


def images(*shape: int) -> Tensor:
    return torch.zeros(shape)


RGB = images(2, 3, 8, 8)


def names(*each: str) -> frozenset[str]:
    return frozenset(each)


def between(
    name: str, middle: Callable[[Tensor], Tensor], size: int = 8, reads: int | None = None, **more: object
) -> Case:
    """`size` elements of the group "conv1" that goes through `middle`; 0: it must be frozen."""
    free = {"conv2": 6} | ({"conv1": size} if size else {})
    return Case(name, lambda: p.Between(middle, reads=reads), RGB, free, **more)  # type: ignore[arg-type]


def shuffle(x: Tensor) -> Tensor:
    batch, c, h, w = x.shape
    return x.reshape(batch, 2, c // 2, h, w).transpose(1, 2).reshape(batch, c, h, w)


def by_hand(x: Tensor) -> Tensor:
    """Pixel shuffle by a view and a permutation."""
    batch, c, h, w = x.shape
    return x.view(batch, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(batch, c // 4, 2 * h, 2 * w)


def focus(x: Tensor) -> Tensor:
    return torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)


def coordinates(x: Tensor) -> Tensor:
    """CoordConv; the coordinates are made on the default device, as people write it."""
    y, z = torch.meshgrid(torch.linspace(-1, 1, x.size(2)), torch.linspace(-1, 1, x.size(3)), indexing="ij")
    return torch.cat([x, torch.stack([y, z]).to(x.dtype).expand(x.size(0), -1, -1, -1)], 1)


def halves(x: Tensor) -> Tensor:
    one, two = torch.split(x, x.shape[1] // 2, dim=1)
    return F.gelu(one) * two


def swapped(x: Tensor) -> Tensor:
    one, two = x.chunk(2, 1)
    return torch.cat([two, one], 1)


def written(x: Tensor) -> Tensor:
    """Concatenation by writing into parts of an empty tensor."""
    y = x.new_zeros(x.size(0), 2 * x.size(1), x.size(2), x.size(3))
    y[:, : x.size(1)] = x
    y[:, x.size(1) :] = x.tanh()
    return y


def erased(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :, 0] = 0.5
    return x


def local_mean(x: Tensor) -> Tensor:
    return x / (1 + x.abs().mean(1, keepdim=True))


RESNET = {"conv1": 8, "layer1.0.conv1": 8, "layer2.0.conv1": 16, "layer2.0.conv2": 16, "layer3.0.conv1": 32}
MEAN_SHIFTS = names("sub_mean", "tail")  # 1 x 1 convolutions that nobody trains: the engine may leave them alone

MOBILE = ((1, 6, 1, 1), (3, 8, 2, 2), (3, 10, 1, 1))

CASES = [
    Case("chain", n.Chain, RGB, {"conv1": 8, "conv2": 12}, (10,), ("output",), classifier=names("conv2"),
         reads={"conv1": names("conv2.weight"), "conv2": names("fc.weight")}),
    Case("chain-one-image", n.Chain, images(1, 3, 8, 8), {"conv1": 8, "conv2": 12}, (10,)),
    Case("vgg", n.Vgg, RGB, {"0.0": 6, "0.3": 10, "2.0": 16}, (5,), classifier=names("2.0")),
    Case("resnet-c", n.CifarResNet, RGB, RESNET | {"layer3.0.conv2": 32}, (10,), classifier=names("layer3.0.conv2"),
         reads={"conv1": names("layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer2.0.shortcut.0.weight"),
                "layer3.0.conv2": names("fc.weight")}),
    Case("resnet-a", lambda: n.CifarResNet(option="A"), RGB,
         {"conv1": 8} | {f"layer{i}.0.conv1": 4 * 2**i for i in (1, 2, 3)},
         reasons=("pad",)),
    Case("densenet", n.DenseNet, RGB,
         {"conv0": 6, "transition": 7} | {f"layer{i}.conv1": 8 for i in (1, 2, 3)}
         | {f"layer{i}.conv2": 4 for i in (1, 2, 3)},
         (5,), classifier=names("transition", "layer3.conv2")),
    Case("mobilenet", lambda: n.MobileNetV2(MOBILE, 8, 20, 5), images(2, 3, 16, 16),
         {"stem.0": 8, "blocks.0.conv.project": 6, "blocks.1.conv.expand": 18, "blocks.1.conv.project": 8,
          "blocks.2.conv.expand": 24, "blocks.3.conv.expand": 24, "blocks.3.conv.project": 10, "last.0": 20},
         (5,), classifier=names("last.0")),
    Case("edsr-x2", lambda: n.Edsr(2, 6, 2, 0.1), RGB,
         {"head": 6, "body.0.body.0": 6, "body.1.body.0": 6, "upsample.0": 6}, maybe=MEAN_SHIFTS),
    Case("edsr-x3", lambda: n.Edsr(1, 4, 3), images(1, 3, 6, 5), {"head": 4, "body.0.body.0": 4, "upsample.0": 4},
         maybe=MEAN_SHIFTS),
    Case("edsr-x4", lambda: n.Edsr(1, 6, 4), images(1, 3, 6, 5),
         {"head": 6, "body.0.body.0": 6, "upsample.0": 6, "upsample.2": 6}, maybe=MEAN_SHIFTS),
    Case("srresnet", lambda: n.SrResNet(False), RGB,
         {"head.0": 6, "body.0.conv1": 6, "body.1.conv1": 6, "up.0": 6}, (3,)),
    Case("srresnet-slopes", lambda: n.SrResNet(True), RGB,
         {"head.0": 6, "body.0.conv1": 6, "body.1.conv1": 6, "up.0": 6}, (3,)),
    Case("rdn", b.Rdn, RGB,
         {"sfe1": 6, "sfe2": 6, "gff.0": 6, "up.0": 5} | {f"rdbs.{i}.convs.{j}": 4 for i in (0, 1) for j in (0, 1)},
         (3,)),
    Case("dncnn", b.DnCnn, images(2, 1, 8, 8), {"0": 6, "2": 7}),
    Case("unet", b.UNet, images(2, 1, 8, 8),
         {"enc1.0": 4, "enc1.2": 5, "enc2.0": 8, "mid.0": 12, "up2": 7, "dec2": 9, "up1": 6, "dec1": 5}),
    Case("ffdnet", b.FfdNet, {"image": images(2, 1, 8, 8), "sigma": images(2, 1, 1, 1)}, {"model.0": 6, "model.2": 7}),
    Case("shufflenet", b.ShuffleNetV2, RGB, {"stem": 12, "last": 9} | {f"units.{i}.branch.0": 6 for i in (0, 1, 2)},
         maybe=names("units.0.side.1", *(f"units.{i}.branch.5" for i in (0, 1, 2))), classifier=names("last")),
    Case("se-conv", lambda: b.SeNet(False), RGB, {"stem": 2, "conv1": 3, "se.reduce": 5}, (5,),
         classifier=names("stem")),
    Case("se-linear", lambda: b.SeNet(True), RGB, {"stem": 2, "conv1": 3, "se.reduce": 5}, (5,),
         reads={"conv1": names("conv2.weight", "se.reduce.weight"), "se.reduce": names("se.expand.weight")}),
    Case("sknet", b.SkNet, RGB, {"stem": 8, "small": 8, "reduce": 8}, (5,), classifier=names("small")),
    Case("regnet", b.RegNet, RGB, {"stem": 8, "conv1": 4, "conv2": 4}, (5,)),
    Case("convnext", b.ConvNeXt, images(2, 3, 16, 16), {"stem": 8, "pw1": 20}, (5,), mixed=names("stem")),
    Case("siamfc", b.SiamFc, (images(2, 3, 18, 18), images(2, 3, 24, 24)),
         {"backbone.0": 3, "backbone.4": 4, "backbone.7": 7}, (), silent=names("backbone.7")),
    Case("siamrpn", b.SiamRpn, (images(2, 3, 18, 18), images(2, 3, 24, 24)),
         {"backbone.0": 3, "backbone.4": 4, "backbone.7": 8, "kernel": 6, "cls.0": 5}, (2, 4)),
    Case("nonlocal", b.NonLocal, RGB, {"stem": 8, "theta": 4, "g": 5}, (2,), silent=names("theta")),
    Case("functional", p.Functional, RGB, {"kernel": 8, "matrix": 10}, (4,)),
    Case("tied", p.Tied, RGB, {"stem": 6, "into": 8}, (2,),
         reads={"stem": names("twice.weight", "into.weight")}),
    Case("autoencoder", p.AutoEncoder, images(2, 2, 8, 8), {"conv": 6, "encode": 9}, (2,)),
    Case("waves", p.Waves, images(2, 2, 8), {"first": 6, "gated.0": 5, "gated.1": 5, "skip.0": 7, "up": 4}, (1,)),
    Case("volumes", p.Volumes, images(2, 1, 4, 4, 4), {"stem": 4, "conv1": 3, "up": 4}, (2, 3)),
    Case("groupnorm-per-channel", lambda: p.GroupNormed(8), RGB, {"conv1": 8, "conv2": 6}, (2,)),
    Case("groupnorm-groups", lambda: p.GroupNormed(4), RGB, {"conv1": ANY, "conv2": 6}, (2,), mixed=names("conv1")),
    Case("groupnorm-one", lambda: p.GroupNormed(1), RGB, {"conv1": 8, "conv2": 6}, (2,), mixed=names("conv1")),
    Case("literal-split", p.LiteralSplit, RGB, {"one": 6}, reasons=("split", "output")),
    Case("remembered-split", p.Remembered, RGB, {"one": 6}, maybe=names("conv1", "conv1#2")),
    Case("many-outputs", p.ManyOutputs, RGB, {"conv1": 5, "conv3": 7}, (6, 2), ("output",)),
    Case("crnn", p.Crnn, RGB, {"conv1": 5}, maybe=names("conv2", "lstm"), reasons=("output",)),
    Case("tokens", p.Tokens, RGB, {"patch": 8, "up": 9}, (4,)),
    Case("weight-norm", p.WeightNormed, RGB, {"conv3": 7},
         maybe=names(*(f"conv{i}{tail}" for i in (1, 2) for tail in ("", ".parametrizations.weight")))),
    Case("weight-standardised", p.WeightStandardised, RGB, {"conv3": 7}, maybe=names("conv1", "conv2")),
    between("nothing", lambda x: x),
    between("shuffle", shuffle, 4),
    between("shuffle-module", nn.ChannelShuffle(4), 2),
    between("pixel-shuffle", nn.PixelShuffle(2), 2, reads=2),
    between("pixel-shuffle-by-hand", by_hand, 2, reads=2),
    between("pixel-unshuffle", nn.PixelUnshuffle(2), 8, reads=32),
    between("focus", focus, 8, reads=32),
    between("crelu", lambda x: torch.cat([x, -x], 1), 8, reads=16),
    between("repeat", lambda x: x.repeat(1, 2, 1, 1), 8, reads=16),
    between("repeat-interleave", lambda x: x.repeat_interleave(2, 1), 8, reads=16),
    between("glu", lambda x: F.glu(x, 1), 4, reads=4),
    between("chunk", lambda x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1].sigmoid(), 4, reads=4),
    between("split-by-shape", halves, 4, reads=4),
    between("swapped", swapped, 4),
    between("coordinates", coordinates, 8, reads=10),
    between("data-dependent", lambda x: x if bool((x.abs() >= 0).all()) else -x, mixed=names("conv1")),
    between("checkpointed", lambda x: checkpoint(torch.tanh, x, use_reentrant=False)),
    between("scaled-by-width", lambda x: x * 2.0 / math.sqrt(8.0)),
    between("cumsum", lambda x: x.cumsum(1), 0, reasons=("cumsum",)),
    between("inverse", torch.linalg.inv, 0, reasons=("linalg",)),
    between("sorted", lambda x: x.sort(1)[0], 0, reasons=("sort",)),
    between("indexed", lambda x: x[:, [1, 0, 3, 2, 5, 4, 7, 6]], 0, reasons=("index",)),
    between("literal-slice", lambda x: x[:, :4], 0, 4, reasons=("slice",)),
    between("literal-view", lambda x: x.view(2, 8, 64).tanh().view(2, 8, 8, 8), 0, reasons=("view",)),
    between("softmax", lambda x: x.softmax(1), mixed=names("conv1")),
    between("local-mean", local_mean, mixed=names("conv1")),
    between("normalised", lambda x: F.normalize(x, dim=1), mixed=names("conv1")),
    between("scaled-by-its-width", lambda x: x * x.shape[1] ** -0.5, mixed=names("conv1")),
]  # fmt: skip

# Free or frozen, mixed or not: whatever the engine answers must be right.
OPEN = [
    Case(name, lambda f=f, r=r: p.Between(f, reads=r), RGB, {"conv2": 6}, maybe=names("conv1"))
    for name, f, r in (
        ("maxout", lambda x: x.view(x.size(0), x.size(1) // 2, 2, 8, 8).amax(2), 4),
        ("roll", lambda x: x.roll(1, 1), None),
        ("flip", lambda x: x.flip(1), None),
        ("local-response", lambda x: F.local_response_norm(x, 3), None),
        ("unfold", lambda x: F.fold(F.unfold(x, 3, padding=1), (8, 8), 3, padding=1), None),
        ("spectrum", lambda x: torch.fft.irfft2(torch.fft.rfft2(x)), None),
        ("einsum", lambda x: torch.einsum("bchw,bdhw->bcd", x, x).unsqueeze(-1), None),
        ("stacked", lambda x: torch.stack([x, x.tanh()], 2).flatten(1, 2), 16),
        ("strided", lambda x: x[:, ::2], 4),
        ("last-half", lambda x: x[:, x.shape[1] // 2 :], 4),
        ("written", written, 16),
        ("erased", erased, None),
        ("maximum", lambda x: x.amax(1, keepdim=True) * x, None),
    )
]

BY_NAME = {case.name: case for case in CASES + OPEN}


@cache
def prepared(name: str) -> tuple[nn.Module, ChannelGraph, Inputs]:
    """A network of the zoo with random weights in evaluation mode, its graph, and inputs. Shared: leave them alone."""
    case = BY_NAME[name]
    network = randomise(case.build()).eval()
    inputs = example(case.inputs)
    return network, trace(network, inputs), inputs
