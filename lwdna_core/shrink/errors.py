"""What can go wrong in the engine, one type per stage, so that a caller can tell them apart."""

from lwdna_core.errors import LwdnaError


class TraceError(LwdnaError):
    """The network could not be run on the example inputs, or nothing in it can be resized."""


class ResizeError(LwdnaError):
    """The requested widths do not fit the network, or the resized network does not behave as the graph predicts."""


class LossError(LwdnaError):
    """The loss is not a finite scalar with a gradient."""


class BudgetError(LwdnaError):
    """The budget lies outside what the widened network can offer, or names no cost."""


class ConfigError(LwdnaError):
    """A channel configuration cannot be read, or belongs to another network."""
