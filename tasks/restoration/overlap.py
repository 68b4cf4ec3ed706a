"""Training images that show what a test image shows: known by name, or found by the correlation of small versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.restoration.colour import gray

# fmt: off
_BSDS_VALIDATION = (
    3096, 8023, 12084, 14037, 16077, 19021, 21077, 24077, 33039, 37073, 38082, 38092, 41033, 41069, 42012, 42049,
    43074, 45096, 54082, 55073, 58060, 62096, 65033, 66053, 69015, 69020, 69040, 76053, 78004, 85048, 86000,
    86016, 86068, 87046, 89072, 97033, 101085, 101087, 102061, 103070, 105025, 106024, 108005, 108070, 108082,
    109053, 119082, 123074, 126007, 130026, 134035, 143090, 145086, 147091, 148026, 148089, 156065, 157055,
    159008, 160068, 163085, 167062, 167083, 170057, 175032, 175043, 182053, 189080, 196073, 197017, 208001,
    210088, 216081, 219090, 220075, 223061, 227092, 229036, 236037, 241004, 241048, 253027, 253055, 260058,
    271035, 285079, 291000, 295087, 296007, 296059, 299086, 300091, 302008, 304034, 304074, 306005, 351093,
    361010, 376043, 385039,
)
# fmt: on
KNOWN: dict[str, frozenset[str]] = {
    **dict.fromkeys(map(str, _BSDS_VALIDATION), frozenset({"BSD68", "CBSD68", "BSD100"})),
    "302003": frozenset({"Set5/woman", "Set5/img_005"}),
    "12003": frozenset({"Set12/04"}),
    "test_020": frozenset({"Set12/04"}),
    "test_135": frozenset({"Set5/woman", "Set5/img_005"}),
}
"""By the name of a training image in BSDS500 or in BSD400's crops (`test_020` is 12003, `test_135` is 302003): the test
sets that its part of BSDS500 is, or the test image, by each of its names."""

THRESHOLD = 0.7
"""Correlation from which two images overlap. Measured on all pairs of BSDS500's training part with its crops in BSD400,
and with Set5, Set14, Set12 and BSD68: of the same photograph 0.74 and more, others 0.62 and less."""

_SIDE = 128  # of small versions
_SHARE = 0.8  # of an image's shorter side: the square in its middle that is looked for
_COARSE, _COARSE_BAND, _COARSE_LEVELS = 20, 5, tuple(1.06**-k for k in range(17))  # down to 0.39 of the shorter side
_CANDIDATE = 0.55
_FINE, _FINE_BAND, _FINE_LEVELS = 48, 9, tuple(1.02**k for k in range(-4, 5))


class Overlap(NamedTuple):
    """A training image that shows (part of) a test image; `correlation` is None where that is known by name."""

    training: str
    test: str
    correlation: float | None


def thumbnail(image: Tensor) -> Tensor:
    """The small version (1, h, w) of an image (C, H, W) in 0 .. 255: its luma, uint8, the shorter side 128 at most."""
    luma = (gray(image) if len(image) == 3 else image)[None].float()
    factor = min(1.0, _SIDE / min(luma.shape[2:]))
    return _resized(luma, (luma.shape[2] * factor, luma.shape[3] * factor))[0].round().to(torch.uint8)


def overlaps(
    training: Mapping[str, Tensor], test: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> list[Overlap]:
    """The training images that show what test images show, each with the test image (or known set) that it resembles.

    Finds copies that were scaled, and cropped to half of the shorter side or more, whichever of the two was; not those
    that were turned or mirrored.

    Args:
        training, test: by name ("BSD400/12003", "Set12/04"), what `thumbnail` makes of the images.
        device: where to search.
    """
    found = {name: Overlap(name, place, None) for name in training if (place := _known(name, test))}
    unknown = {name: image[None].float().to(device) for name, image in training.items() if name not in found}
    images = {name: image[None].float().to(device) for name, image in test.items()}
    for ours, other, correlation in (
        *_found(unknown, images),
        *((name, other, correlation) for other, name, correlation in _found(images, unknown)),
    ):
        if correlation >= THRESHOLD and (ours not in found or (found[ours].correlation or 2) < correlation):
            found[ours] = Overlap(ours, other, correlation)
    return sorted(found.values())


def _known(name: str, test: Iterable[str]) -> str | None:
    """The test image, or the test set, that a training image is known to be (in)."""
    stem = name.rpartition("/")[2]
    places = KNOWN.get(stem, frozenset())
    of = {other: other.rpartition("/")[0] for other in test}
    images = [other for other in of if other in places or (of[other] in places and other == f"{of[other]}/{stem}")]
    return next(iter([*images, *(places & set(of.values()))]), None)


def _found(images: Mapping[str, Tensor], squares: Mapping[str, Tensor]) -> Iterable[tuple[str, str, float]]:
    """Correlations of the middles of `squares` with the places of `images` (1, 1, h, w) that resemble them."""
    if not squares:
        return
    names = list(squares)
    coarse = torch.cat([_square(image, _COARSE, _COARSE_BAND) for image in squares.values()])
    for name, image in images.items():
        scores, places = _best(image, coarse, [level * min(image.shape[2:]) for level in _COARSE_LEVELS], _COARSE_BAND)
        for index in (scores > _CANDIDATE).nonzero().flatten().tolist():
            top, left, side = places[index].tolist()
            margin = 0.15 * side
            first = [max(0, int(start - margin)) for start in (top, left)]
            window = image[:, :, first[0] : int(top + side + margin) + 1, first[1] : int(left + side + margin) + 1]
            square = _square(squares[names[index]], _FINE, _FINE_BAND)
            score, _ = _best(window, square, [level * side for level in _FINE_LEVELS], _FINE_BAND)
            yield name, names[index], float(score)


def _best(image: Tensor, squares: Tensor, sides: Iterable[float], band: int) -> tuple[Tensor, Tensor]:
    """How well squares fit into an image, and where best.

    Args:
        image: (1, 1, h, w).
        squares: (N, 1, n, n), normalised.
        sides: of the squares in the image, in pixels of it, to be tried.
        band: see `_detail`.

    Returns: correlations (N), and (N, 3): top, left and side.
    """
    n = squares.shape[2]
    best = image.new_full((len(squares),), -1)
    places = image.new_zeros(len(squares), 3)
    for side in sides:
        size = [length * n / side for length in image.shape[2:]]
        if min(size) < n - 0.5:
            continue
        detail = _detail(_resized(image, size), band)
        variance = F.avg_pool2d(detail.square(), n, 1) - F.avg_pool2d(detail, n, 1).square()
        # Flat places, where there is nothing but noise, resemble nothing.
        scores, at = (F.conv2d(detail, squares) / (n * variance.clamp(min=0.25).sqrt()))[0].flatten(1).max(1)
        columns = detail.shape[3] - n + 1
        here = torch.stack([at // columns * (side / n), at % columns * (side / n), torch.full_like(scores, side)], 1)
        places = torch.where((scores > best)[:, None], here, places)
        best = torch.maximum(best, scores)
    return best, places


def _square(image: Tensor, n: int, band: int) -> Tensor:
    """The square in the middle of an image (1, 1, h, w), at n x n pixels: its detail, of mean 0 and norm 1."""
    height, width = image.shape[2:]
    side = max(1, round(_SHARE * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    detail = _detail(_resized(image[:, :, top : top + side, left : left + side], (n, n)), band)
    detail = detail - detail.mean()
    normed: Tensor = detail / detail.norm().clamp(min=n / 2)
    return normed


def _detail(images: Tensor, band: int) -> Tensor:
    """What images have beside their mean over band x band pixels: skies and shadows look alike, edges do not."""
    return images - F.avg_pool2d(images, band, 1, band // 2, count_include_pad=False)


def _resized(images: Tensor, size: Iterable[float]) -> Tensor:
    return F.interpolate(images, size=[max(1, round(side)) for side in size], mode="bilinear", antialias=True)
