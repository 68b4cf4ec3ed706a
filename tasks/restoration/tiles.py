"""Large images in overlapping tiles without seams, and the mean over eight orientations."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lwdna_core.errors import LwdnaError

_STRIP = 16  # pixels across the direction in which a network is measured
_LONGEST = 2048  # of such a strip


class ReceptiveField(NamedTuple):
    """How far a network sees, in pixels of its input.

    Attributes:
        radius: an output pixel depends on inputs at most so far away.
        period: shifting the input by a multiple of it shifts the output; 1 unless the network lowers its resolution.
    """

    radius: int
    period: int

    @property
    def halo(self) -> int:
        """Pixels around a tile that make its outputs those of the whole image: the radius, in whole periods."""
        return -(-self.radius // self.period) * self.period


def receptive_field(network: nn.Module, colours: int) -> ReceptiveField:
    """Measure a network (N, colours, h, w) -> (N, C, s h, s w), for any s, in both directions.

    Half of a strip holds inputs that are not numbers: so is then every output that depends on them, whatever the
    weights. The period comes from the resolutions of the modules' outputs. It takes a copy of the network, in float64
    on the CPU, where no fast convolution mixes neighbours.

    Raises LwdnaError where outputs depend on the whole image: such a network cannot work in tiles.
    """
    probe = copy.deepcopy(network).to("cpu", torch.float64).eval()
    fields = [_along(axis, probe, colours) for axis in (2, 3)]
    return ReceptiveField(max(field.radius for field in fields), math.lcm(*(field.period for field in fields)))


@torch.no_grad()
def _along(axis: int, network: nn.Module, colours: int) -> ReceptiveField:
    length = 8 * _STRIP
    while length <= _LONGEST:
        size = (length, _STRIP) if axis == 2 else (_STRIP, length)
        lengths: set[int] = set()

        def note(_: nn.Module, __: object, output: object, lengths: set[int] = lengths) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                lengths.add(output.shape[axis])

        middle = length // 2
        hooks = [module.register_forward_hook(note) for module in network.modules()]
        reaches = []
        for start in (0, middle):
            strip = torch.zeros(1, colours, *size, dtype=torch.float64)
            strip.narrow(axis, start, middle).fill_(torch.nan)
            output = network(strip)
            scale = output.shape[axis] // length
            spoilt = output.isnan().movedim(axis, 0).flatten(1).any(1).nonzero().flatten().tolist()
            reaches.append(middle - spoilt[0] // scale if start else spoilt[-1] // scale + 1 - middle)
        for hook in hooks:
            hook.remove()
        period = math.lcm(*(round(length / short) for short in lengths if short < length))
        if max(reaches) < middle and middle % period == 0:
            return ReceptiveField(max(0, *reaches), period)
        length *= 2
    raise LwdnaError("outputs of the network depend on the whole image: it cannot work in tiles")


class Tiles:
    """A network for images of any size, in bounded memory: what is larger than a tile goes through it tile by tile.

    Tiles overlap by the network's receptive field, measured when it is first needed, so that the result is that of the
    whole image but for the last bits of floating point.

    Args:
        network: (N, C, h, w) -> (N, C', s h, s w), on one device. Images may lie on another one: they stay there.
        side: of the squares that the network sees, in pixels of its input; its memory grows with the square of it.
    """

    def __init__(self, network: nn.Module, side: int) -> None:
        self.network, self.side = network, side
        self._field: ReceptiveField | None = None
        self._device = next((parameter.device for parameter in network.parameters()), None)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, h, w) restored.

        Raises LwdnaError where the side leaves no room beside the halo, or the network sees the whole image.
        """
        size = images.shape[2:]
        if max(size) <= self.side:
            return self._restored(images)
        halo, core = self.layout(images.shape[1])
        whole: Tensor | None = None
        cores = [length if length <= self.side else core for length in size]
        for place in itertools.product(*(range(0, length, step) for length, step in zip(size, cores, strict=True))):
            crop = [slice(max(0, at - halo), at + step + halo) for at, step in zip(place, cores, strict=True)]
            seen = images[:, :, *crop]
            tile = self._restored(seen)
            scale = tile.shape[2] // seen.shape[2]
            if whole is None:
                whole = tile.new_empty(*tile.shape[:2], *(scale * length for length in size))
            inner = [
                slice(scale * (at - cut.start), scale * (at + step - cut.start))
                for at, step, cut in zip(place, cores, crop, strict=True)
            ]
            outer = [slice(scale * at, scale * (at + step)) for at, step in zip(place, cores, strict=True)]
            whole[:, :, *outer] = tile[:, :, *inner]
        assert whole is not None
        return whole

    def layout(self, colours: int) -> tuple[int, int]:
        """Pixels around the core of a tile, and the core's side. Raises LwdnaError as a call on a large image does."""
        self._field = self._field or receptive_field(self.network, colours)
        halo, period = self._field.halo, self._field.period
        core = (self.side - 2 * halo) // period * period
        if core < 1:
            raise LwdnaError(
                f"tiles of {self.side} pixels are too small: expected {2 * halo + period} or more, for this network "
                f"sees {self._field.radius} pixels to every side"
            )
        return halo, core

    def _restored(self, images: Tensor) -> Tensor:
        return self.network(images.to(self._device)).to(images.device)  # type: ignore[no-any-return]


@torch.no_grad()
def self_ensemble(restore: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean over the eight ways to turn and mirror images (N, C, h, w), each restored and turned back ("x8", "+")."""
    total: Tensor | None = None
    for turns in range(4):
        for mirrored in (False, True):
            x = images.rot90(turns, (2, 3))
            y = restore(x.flip(3)).flip(3) if mirrored else restore(x)
            y = y.rot90(-turns, (2, 3))
            total = y if total is None else total + y
    assert total is not None
    return total / 8
