"""The random weights that networks of convolutions, normalisations and linear layers begin with."""

from __future__ import annotations

from typing import Literal

from torch import nn


def draw_weights(network: nn.Module, fan: Literal["in", "out"], linear_std: float | None = None) -> None:
    """Draw all weights from torch's global random state; biases become 0, normalisations the identity.

    No normalisation begins at 0, as some recipes have it for the last one of a residual branch: the gradient would not
    reach that branch in the first batches, which are those that score channels.

    Args:
        network: changed in place.
        fan: weights of convolutions come from N(0, 2 / fan) (He et al., "Delving Deep into Rectifiers", 2015), where
            fan counts the inputs that a value is made from ("in"), or the outputs that it goes into ("out").
        linear_std: weights of linear layers come from N(0, linear_std^2); None treats them like convolutions.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if isinstance(module, nn.Linear) and linear_std is not None:
                nn.init.normal_(module.weight, std=linear_std)
            elif fan == "in":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                groups = module.groups if isinstance(module, nn.Conv2d) else 1
                nn.init.normal_(module.weight, std=(2 * groups / module.weight[:, 0].numel()) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
