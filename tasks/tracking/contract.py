"""What a Siamese network must offer to be tracked with: found out before any work, on frames that are made up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lwdna_core.errors import LwdnaError
from tasks.tracking.crops import EXEMPLAR
from tasks.tracking.experiments import Tracker
from tasks.tracking.networks.siamfc import STRIDE
from tasks.tracking.siamfc import SiamFCTracker
from tasks.tracking.siamrpn import SiamRPNTracker

_METHODS = ("template", "respond")
_OFFERED = (
    "a network is tracked with by template(exemplar), of images (1, 3, 127, 127), and respond(template, search), of "
    "images (N, 3, S, S) of any side S; docs/own_network.md has an example"
)
_FURTHER = 8
"""Cells by which a response grows where a search image grows by as many strides."""


def check_network(name: str, make: Callable[[], Tracker]) -> None:
    """Start a tracker and let it follow for one frame, so that what its network lacks is not found after the training.

    Of the two trackers of this package the network's stride is measured as well: labels and trackers count with 8
    pixels from cell to cell, and boxes of another network would be at wrong places, without any error.

    Args:
        name: of the network, for errors.
        make: the tracker, around the network in eval mode; on the CPU.

    Raises LwdnaError with the network's name, what was found, and what is expected.
    """
    frame = (torch.arange(3 * 240 * 320).view(3, 240, 320) % 251).to(torch.uint8)
    step = "its tracker cannot be made"
    try:
        tracker = make()
        # what derives from the two may ask for other things
        own = tracker if type(tracker) is SiamFCTracker or type(tracker) is SiamRPNTracker else None
        if own:
            lacking = [method for method in _METHODS if not callable(getattr(own.network, method, None))]
            if lacking:
                raise LwdnaError(f"network {name}: there is no method {' and no '.join(lacking)}; {_OFFERED}")
        step = "its tracker cannot be started"
        tracker.init(frame, torch.tensor([130.0, 90.0, 60.0, 50.0]))
        step = "its tracker cannot follow"
        box = tracker.update(frame)
        if own:
            step = "its response cannot be measured"
            _check_stride(name, own.network, own.search, isinstance(own, SiamFCTracker))
    except LwdnaError:
        raise
    except Exception as error:  # the network, and the tracker may be, are anybody's code
        raise LwdnaError(f"network {name}: {step}: {type(error).__name__}: {error}; {_OFFERED}") from error
    if not isinstance(box, Tensor) or box.shape != (4,):
        found = f"a tensor of shape {list(box.shape)}" if isinstance(box, Tensor) else type(box).__name__
        raise LwdnaError(f"network {name}: its tracker's update must return a box (4) in a tensor, got {found}")


@torch.inference_mode()
def _check_stride(name: str, network: nn.Module, search: int, single: bool) -> None:
    """Raise LwdnaError unless responses have a cell every 8 pixels of the search image.

    A response's size alone does not tell: 255 pixels give 17 cells, or 25 where a part of the template is used. By how
    much it grows with the search image does.

    Args:
        name: of the network.
        network: with `template` and `respond`.
        search: side of the search image in pixels.
        single: the response is one map (SiamFC), not scores and offsets.
    """
    template = network.template(torch.zeros(1, 3, EXEMPLAR, EXEMPLAR))  # type: ignore[operator]
    sides = search, search + _FURTHER * STRIDE
    cells: list[int] = []
    for side in sides:
        try:
            found = network.respond(template, torch.zeros(1, 3, side, side))  # type: ignore[operator]
        except Exception:  # one that is made for a single side is not measured
            if cells:
                return
            raise
        for response in [found] if single else found:
            height, width = response.shape[-2:]
            if height != width or (single and tuple(response.shape[:2]) != (1, 1)):
                expected = "(1, 1, n, n)" if single else "of as many rows as columns"
                raise LwdnaError(
                    f"network {name}: the response to a search image of {side} pixels must be {expected}, got "
                    f"{list(response.shape)}"
                )
        cells.append(width)
    if cells[1] - cells[0] != _FURTHER:
        whole = [(side - EXEMPLAR) // STRIDE + 1 for side in sides]
        raise LwdnaError(
            f"network {name}: its response to a search image of {sides[0]} pixels has {cells[0]} x {cells[0]} cells, "
            f"and {cells[1]} x {cells[1]} for {sides[1]} pixels; expected {_FURTHER} more, such as {whole[0]} x "
            f"{whole[0]} and {whole[1]} x {whole[1]}: labels and tracker count with a stride of {STRIDE} pixels"
        )
