"""Cross-correlation of two feature maps, of every pair in a batch on its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def correlate(template: Tensor, search: Tensor) -> Tensor:
    """All channels into one response (Bertinetto et al., 2016, section 2.2).

    Args:
        template: (N, C, h, w), or (1, C, h, w) for all.
        search: (N, C, H, W).

    Returns: (N, 1, H - h + 1, W - w + 1).
    """
    if len(template) == 1:  # as in tracking: one template, several scales
        return F.conv2d(search, template)
    n, c, height, width = search.shape
    response = F.conv2d(search.reshape(1, n * c, height, width), template, groups=n)
    return response.view(n, 1, *response.shape[-2:])


def correlate_depthwise(template: Tensor, search: Tensor) -> Tensor:
    """Channel by channel (Li et al., "SiamRPN++", 2019, section 3.3).

    Args:
        template: (N, C, h, w).
        search: (N, C, H, W).

    Returns: (N, C, H - h + 1, W - w + 1).
    """
    n, c, height, width = search.shape
    response = F.conv2d(
        search.reshape(1, n * c, height, width), template.reshape(n * c, 1, *template.shape[-2:]), groups=n * c
    )
    return response.view(n, c, *response.shape[-2:])
