"""From an encoded image to the part of it that a network sees, decoded at no larger a scale than that needs."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

# libjpeg decodes at a half, a quarter, an eighth of the scale in less time: it leaves out the high frequencies.
_SCALES = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
_RATIOS = (3 / 4, 4 / 3)
_AREA = (0.08, 1.0)
_TRIES = 10
CENTRE = 0.875
"""Share of the shorter side that is evaluated: 224 of 256 pixels."""


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: float
    left: float
    height: float
    width: float


def random_box(height: int, width: int, random: np.random.Generator) -> Box:
    """A box of 8 to 100 % of the area and an aspect from 3:4 to 4:3, log-uniform, anywhere in the image.

    The augmentation of Szegedy et al., "Going deeper with convolutions" (2015), in the form that is in use: 10 tries,
    then the largest box of an admitted aspect in the centre.
    """
    for _ in range(_TRIES):
        area = height * width * random.uniform(*_AREA)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return Box(int(random.integers(height - h + 1)), int(random.integers(width - w + 1)), h, w)
    w, h = min(width, round(height * _RATIOS[1])), min(height, round(width / _RATIOS[0]))
    return Box((height - h) // 2, (width - w) // 2, h, w)


def central_box(height: int, width: int) -> Box:
    """The square in the centre whose side is 224/256 of the image's shorter side."""
    side = CENTRE * min(height, width)
    return Box((height - side) / 2, (width - side) / 2, side, side)


def cut_out(data: bytes, box: Box, image_size: tuple[int, int], size: int) -> np.ndarray:
    """Decode an image and scale a box of it to size x size pixels.

    Args:
        data: the encoded image.
        box: in pixels of the whole image.
        image_size: height and width of the image, as stored (a rotation noted in it is ignored, as the references do).
        size: height and width of the result.

    Returns: (size, size, 3), uint8, RGB. Raises ValueError where it cannot be decoded.
    """
    scale = next(scale for scale in _SCALES if scale == 1 or min(box.height, box.width) >= scale * size)
    image = decode(data, scale)
    y, x = image.shape[0] / image_size[0], image.shape[1] / image_size[1]
    top, left = round(box.top * y), round(box.left * x)
    bottom, right = round((box.top + box.height) * y), round((box.left + box.width) * x)
    part = image[top : max(top + 1, bottom), left : max(left + 1, right)]
    shrinks = part.shape[0] > size or part.shape[1] > size
    # INTER_AREA averages where it shrinks, as Pillow's filters do; INTER_LINEAR there would alias.
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def decode(data: bytes, scale: int = 1) -> np.ndarray:
    """The image at 1, 1/2, 1/4 or 1/8 of its size: (H, W, 3), uint8, RGB. Raises ValueError where that cannot be."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), _SCALES[scale] | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError("cannot be decoded")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, image)
