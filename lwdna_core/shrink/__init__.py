"""The shrinking engine: finds and applies layer-wise channel configurations of any PyTorch CNN. Needs torch only."""

from lwdna_core.shrink.channels import ChannelConfig, GroupWidths, SearchCost, Totals, describe
from lwdna_core.shrink.errors import BudgetError, ConfigError, LossError, ResizeError, TraceError
from lwdna_core.shrink.graph import ChannelGraph, ChannelGroup, FrozenGroup, Slot
from lwdna_core.shrink.proof import trace
from lwdna_core.shrink.resize import resize
from lwdna_core.shrink.search import find

__all__ = ["BudgetError", "ChannelConfig", "ChannelGraph", "ChannelGroup", "ConfigError", "FrozenGroup", "GroupWidths",
           "LossError", "ResizeError", "SearchCost", "Slot", "Totals", "TraceError", "describe", "find", "resize",
           "trace"]  # fmt: skip
