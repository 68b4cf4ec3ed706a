"""SiamFC at work: its loss in training, and the tracker with the published test-time parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.tracking.crops import EXEMPLAR, SEARCH, context_side, crop, to_centre, to_corner
from tasks.tracking.networks.siamfc import STRIDE

RADIUS = 16
"""Pixels of the search image within which a response cell counts as on the target (section 2.2)."""


def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Balanced logistic loss of the response map: cells on the target weigh as much as all the others together.

    Bertinetto et al. 2016, section 2.2.

    Args:
        batch: exemplar (N, 3, 127, 127), search (N, 3, 255, 255), boxes (N, 4): the target in the search image, as
            (centre x, centre y, w, h) in pixels from its centre.
    """
    response = network(batch["exemplar"], batch["search"])[:, 0]
    height, width = response.shape[1:]
    y = (torch.arange(height, device=response.device) - (height - 1) / 2) * STRIDE
    x = (torch.arange(width, device=response.device) - (width - 1) / 2) * STRIDE
    centre = batch["boxes"][:, :2]
    distance = torch.hypot(x - centre[:, 0, None, None], y[:, None] - centre[:, 1, None, None])
    on = (distance <= RADIUS).to(response.dtype)
    share = on.mean((1, 2), keepdim=True).clamp(1 / (height * width), 1 - 1 / (height * width))
    weights = on / share + (1 - on) / (1 - share)
    return F.binary_cross_entropy_with_logits(response, on, weight=weights / 2)


@dataclass(eq=False)
class SiamFCTracker:
    """Follows one target; two methods. All work between a frame and its box is on the network's device.

    The defaults are the test-time parameters of siamfc-pytorch's re-implementation, and are called as there.

    Args:
        network: a trained `networks.siamfc.SiamFC`, in eval mode.
        scale_num: scales that are tried in every frame.
        scale_step: from one to the next, a factor.
        scale_lr: how far the size follows the best scale, 0 to 1.
        scale_penalty: factor on the responses of all scales but the middle one.
        window_influence: share of the cosine window in the response.
        response_up: cells into which one of the response is resampled.
        search: side of the search image in pixels: 127 and a multiple of the stride of 8. A larger one looks further.
    """

    network: nn.Module
    scale_num: int = 3
    scale_step: float = 1.0375
    scale_lr: float = 0.59
    scale_penalty: float = 0.9745
    window_influence: float = 0.176
    response_up: int = 16
    search: int = SEARCH

    def __post_init__(self) -> None:
        self.device = next(self.network.parameters()).device

    @torch.inference_mode()
    def init(self, frame: Tensor, box: Tensor) -> None:
        """Learn the target.

        Args:
            frame: (3, H, W), uint8, RGB, on any device.
            box: (4), x, y, w, h with 1-based corners.
        """
        target = to_centre(box.to(self.device, torch.float32))
        self._centre, self._size = target[:2], target[2:].clamp_min(1)
        image = self._load(frame)
        self._side = context_side(self._size)
        self._mean = image.mean((2, 3))
        exemplar = crop(image, self._mean, self._first(1), self._centre[None], self._side[None], EXEMPLAR)
        self._template = self.network.template(exemplar)  # type: ignore[operator]
        exponents = torch.arange(self.scale_num, device=self.device) - (self.scale_num - 1) / 2
        self._scales = self.scale_step**exponents
        self._penalty = torch.where(exponents == 0, 1.0, self.scale_penalty)
        self._bounds = self._side * 0.2, self._side * 5.0
        self._window: Tensor | None = None

    @torch.inference_mode()
    def update(self, frame: Tensor) -> Tensor:
        """The box (4) in the next frame, x, y, w, h with 1-based corners, on the device."""
        image = self._load(frame)
        sides = self._side * self._scales * (self.search / EXEMPLAR)
        centres = self._centre.expand(self.scale_num, 2)
        search = crop(image, self._mean, self._first(self.scale_num), centres, sides, self.search)
        response = self.network.respond(self._template, search)  # type: ignore[operator]
        side = response.shape[-1] * self.response_up
        response = F.interpolate(response, size=(side, side), mode="bicubic", align_corners=False)[:, 0]
        response = response * self._penalty[:, None, None]
        best = response.flatten(1).amax(1).argmax()
        response = response[best]
        response = response - response.min()
        response = response / (response.sum() + 1e-16)
        if self._window is None:
            hann = torch.hann_window(side, periodic=False, device=self.device)
            self._window = torch.outer(hann, hann)
            self._window /= self._window.sum()
        response = (1 - self.window_influence) * response + self.window_influence * self._window
        at = response.argmax()
        cell = torch.stack([at % side, at // side]).float() - (side - 1) / 2
        # upsampled cells -> pixels of the search image -> pixels of the frame
        self._centre = self._centre + cell * (STRIDE / self.response_up) * sides[best] / self.search
        factor = 1 - self.scale_lr + self.scale_lr * self._scales[best]
        new = (self._side * factor).clamp(*self._bounds)
        self._size = self._size * new / self._side
        self._side = new
        return to_corner(torch.cat([self._centre, self._size]))

    def _load(self, frame: Tensor) -> Tensor:
        return frame.to(self.device, non_blocking=True)[None].float()

    def _first(self, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.long, device=self.device)
