"""Levels of Gaussian noise as configs name them, in grey levels: one or a range to train on, one or more to test on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from lwdna_core.errors import LwdnaError


def training_levels(sigma: Any) -> tuple[float, float]:
    """The lowest and the highest level that training noise may have; both are the same where it has one.

    Raises LwdnaError for anything but a number from 0 on, or two of them in ascending order.
    """
    levels = _several(sigma)
    pair = levels * 2 if len(levels) == 1 and not isinstance(sigma, Sequence) else levels
    if len(pair) != 2 or pair[0] > pair[1]:
        raise LwdnaError(
            "model.data_preprocessor.sigma: expected a number of grey levels from 0 on, or a range such as (0, 55), "
            f"got {sigma!r}"
        )
    return pair[0], pair[1]


def evaluation_levels(sigma: Any) -> dict[str, float]:
    """The levels of test noise by what they add to a set's title: nothing for a number, "-sigma15" in a sequence.

    Raises LwdnaError for anything but a number from 0 on, or a sequence of different ones.
    """
    levels = _several(sigma)
    by_title = {f"-sigma{level:g}": level for level in levels} if isinstance(sigma, Sequence) else {"": sigma}
    if not levels or len(by_title) < len(levels):
        raise LwdnaError(
            "val_dataloader.dataset.sigma: expected a number of grey levels from 0 on, or different ones such as "
            f"(15, 25, 50), got {sigma!r}"
        )
    return by_title


def _several(sigma: Any) -> tuple[float, ...]:
    """A number alone or those of a sequence; none where anything else is among them."""
    levels = tuple(sigma) if isinstance(sigma, Sequence) else (sigma,)
    sound = (isinstance(x, Real) and not isinstance(x, bool) and 0 <= float(x) < math.inf for x in levels)
    return levels if all(sound) else ()
