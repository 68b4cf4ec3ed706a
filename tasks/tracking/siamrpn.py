"""SiamRPN++ at work: anchors, its loss in training, and the tracker with the published test-time parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from lwdna_core.compare.sharing import draw
from tasks.tracking.crops import EXEMPLAR, SEARCH, context_side, crop, to_centre, to_corner

STRIDE, RATIOS, SCALE = 8, (0.33, 0.5, 1.0, 2.0, 3.0), 8
POSITIVE, NEGATIVE = 0.6, 0.3
"""Overlap with the target from which an anchor is one, and below which it is none; between them it does not count."""
MOST_POSITIVE, MOST_BACKGROUND, MOST_DISTRACTOR = 16, 48, 16
"""Anchors of each image that count: on the target and away from it, or near another pair's target."""
NEAR = 3.5 * STRIDE
"""Pixels from the centre of another pair's target within which anchors are near it: 7 x 7 cells."""
BOX_WEIGHT = 1.2


def anchors(size: int, device: torch.device) -> Tensor:
    """(A * size * size, 4): centre x, centre y, w, h in pixels from the centre of the search image; A is the slowest.

    Of the area (8 * 8)^2 and the five ratios h / w, at cells 8 pixels apart (Li et al., "SiamRPN", CVPR 2018).
    """
    places = (torch.arange(size, device=device) - (size - 1) / 2) * STRIDE
    sizes = _sizes(device)
    y, x = torch.meshgrid(places, places, indexing="ij")
    centres = torch.stack([x, y], -1).reshape(1, -1, 2).expand(len(sizes), -1, -1)
    return torch.cat([centres, sizes[:, None].expand_as(centres)], -1).reshape(-1, 4)


@cache  # a copy to a GPU waits for it, and cannot be part of a CUDA graph
def _sizes(device: torch.device) -> Tensor:
    """(A, 2): w, h of the anchors."""
    shapes = []
    for ratio in RATIOS:
        width = int(math.sqrt(STRIDE * STRIDE / ratio))
        shapes.append([width * SCALE, int(width * ratio) * SCALE])
    with torch.inference_mode(False):  # for training, too, whoever asks first
        return torch.tensor(shapes, device=device, dtype=torch.float32)


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of (..., 4) boxes by centre and size, broadcast."""
    low = torch.maximum(boxes[..., :2] - boxes[..., 2:] / 2, others[..., :2] - others[..., 2:] / 2)
    high = torch.minimum(boxes[..., :2] + boxes[..., 2:] / 2, others[..., :2] + others[..., 2:] / 2)
    shared = (high - low).clamp_min(0).prod(-1)
    return shared / (boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - shared)


def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the anchors that count, half for targets and half for background, and 1.2 times the L1 distance
    of the targets' offsets: pysot's labels, losses and weights (anchor_target.py, loss.py).

    Where the exemplar shows another target, anchors near the one that is there are background. The cross-entropies are
    means over the anchors of all images together, so that over several processes their mean is nearly that of the
    batch; distances are means of each image, then over all images.

    Args:
        batch: exemplar (N, 3, 127, 127), search (N, 3, 255, 255), boxes (N, 4): the target in the search image, as
            (centre x, centre y, w, h) in pixels from its centre; positive (N): whether the exemplar shows that target.
    """
    scores, offsets = network(batch["exemplar"], batch["search"])
    n, size = len(scores), scores.shape[-1]
    places = anchors(size, scores.device)
    logs = scores.view(n, 2, -1).log_softmax(1)
    overlap = overlaps(places, batch["boxes"][:, None])
    positive = batch["positive"][:, None]
    near = ((batch["boxes"][:, None, :2] - places[:, :2]).abs() <= NEAR).all(-1)
    target = _some((overlap > POSITIVE) & positive, MOST_POSITIVE)
    most = torch.where(positive, MOST_BACKGROUND, MOST_DISTRACTOR)
    background = _some(torch.where(positive, overlap < NEGATIVE, near), most)
    classes = -(_mean(logs[:, 1], target) + _mean(logs[:, 0], background)) / 2
    wanted = torch.cat(
        [
            (batch["boxes"][:, None, :2] - places[:, :2]) / places[:, 2:],
            (batch["boxes"][:, None, 2:] / places[:, 2:]).log(),
        ],
        -1,
    )
    distance = (offsets.view(n, 4, -1).transpose(1, 2) - wanted).abs().sum(-1)
    of_images: Tensor = (distance * target).sum(1) / target.sum(1).clamp_min(1)
    return classes + BOX_WEIGHT * of_images.mean()


def _some(mask: Tensor, most: Tensor | int) -> Tensor:
    """At most `most`, of all rows or (N, 1), of the true entries in every row of `mask`, chosen at random."""
    order = torch.where(mask, draw(*mask.shape, device=mask.device), -1.0).argsort(1, descending=True).argsort(1)
    return mask & (order < most)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Over the true entries of the mask; 0 where there are none."""
    return (values * mask).sum() / mask.sum().clamp_min(1)


@dataclass(eq=False)
class SiamRPNTracker:
    """Follows one target; two methods. All work between a frame and its box is on the network's device.

    The defaults are pysot's for ResNet-50 on OTB, and are called as there. For VOT: 0.04, 0.44, 0.33.

    Args:
        network: a trained `networks.siamrpn.SiamRPN`, in eval mode.
        penalty_k: how much a change of size or shape costs.
        window_influence: share of the cosine window in the scores.
        lr: how far the size follows the best anchor, 0 to 1.
        search: see `siamfc.SiamFCTracker`.
    """

    network: nn.Module
    penalty_k: float = 0.24
    window_influence: float = 0.5
    lr: float = 0.25
    search: int = SEARCH

    def __post_init__(self) -> None:
        self.device = next(self.network.parameters()).device
        self._anchors: Tensor | None = None

    @torch.inference_mode()
    def init(self, frame: Tensor, box: Tensor) -> None:
        """Learn the target; arguments as in `siamfc.SiamFCTracker`."""
        target = to_centre(box.to(self.device, torch.float32))
        self._centre, self._size = target[:2], target[2:].clamp_min(1)
        image = frame.to(self.device)[None].float()
        self._mean = image.mean((2, 3))
        self._first = torch.zeros(1, dtype=torch.long, device=self.device)
        side = context_side(self._size)[None]
        self._template = self.network.template(  # type: ignore[operator]
            crop(image, self._mean, self._first, self._centre[None], side, EXEMPLAR)
        )

    @torch.inference_mode()
    def update(self, frame: Tensor) -> Tensor:
        """The box (4) in the next frame, x, y, w, h with 1-based corners, on the device."""
        image = frame.to(self.device, non_blocking=True)[None].float()
        scale = EXEMPLAR / context_side(self._size)  # pixels of the search image in one of the frame
        side = (self.search / scale)[None]
        search = crop(image, self._mean, self._first, self._centre[None], side, self.search)
        scores, offsets = self.network.respond(self._template, search)  # type: ignore[operator]
        cells = scores.shape[-1]
        if self._anchors is None:
            self._anchors = anchors(cells, self.device)
            hann = torch.hann_window(cells, periodic=False, device=self.device)
            self._window = torch.outer(hann, hann).flatten().repeat(len(RATIOS))
        places, shift = self._anchors, offsets.view(4, -1).T
        centres = shift[:, :2] * places[:, 2:] + places[:, :2]
        sizes = shift[:, 2:].clamp(-5, 5).exp() * places[:, 2:]  # early in training, anything comes
        score = scores.view(2, -1).softmax(0)[1]
        own = self._size * scale
        change = _change(context_side(sizes) / context_side(own)) * _change(_ratio(own) / _ratio(sizes))
        penalty = (-(change - 1) * self.penalty_k).exp()
        best = ((1 - self.window_influence) * penalty * score + self.window_influence * self._window).argmax()
        rate = (penalty * score)[best] * self.lr
        bounds = torch.tensor([image.shape[3] - 1, image.shape[2] - 1], device=self.device)
        self._centre = torch.minimum((self._centre + centres[best] / scale).clamp_min(0), bounds)
        size = self._size * (1 - rate) + sizes[best] / scale * rate
        self._size = torch.minimum(size.clamp_min(10), bounds)
        return to_corner(torch.cat([self._centre, self._size]))


def _change(ratio: Tensor) -> Tensor:
    return torch.maximum(ratio, 1 / ratio)


def _ratio(sizes: Tensor) -> Tensor:
    return sizes[..., 0] / sizes[..., 1]
