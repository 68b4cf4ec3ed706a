"""The settings of a search, checked before anything is widened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from lwdna_core.shrink.budget import check_patterns
from lwdna_core.shrink.criteria import CRITERIA
from lwdna_core.shrink.errors import BudgetError

BUDGET = 0.9
"""Of the baseline's MACs, where no budget is given."""
_SHARES = ("floor", "classifier_floor")
_COUNTS = ("embedding", "align", "min_channels", "rounds")
_PATTERNS = ("freeze", "floors", "ceilings")


def one_budget(macs: float | None, params: float | None) -> tuple[str, float]:
    """What is bounded, and by which share of the baseline's. Raises BudgetError where both are given."""
    if macs is not None and params is not None:
        raise BudgetError(f"a search has one budget: macs={macs} or params={params}, not both")
    return ("params", params) if params is not None else ("macs", BUDGET if macs is None else macs)


def check_settings(settings: Mapping[str, Any], groups: Collection[str] | None = None) -> None:
    """Raise BudgetError for arguments of `find` that are wrong: whatever the network, or for one with these groups."""
    one_budget(settings.get("macs"), settings.get("params"))
    if (criterion := settings.get("criterion")) is not None and criterion not in CRITERIA:
        raise BudgetError(f"no criterion {criterion!r}; there are {', '.join(CRITERIA)}")
    for name in ("macs", "params", "width", *_SHARES, *_COUNTS):
        value = settings.get(name)
        if name in settings and not (value is None and name in ("macs", "params")):
            _check_number(name, value)
    for name in _PATTERNS if groups is not None else ():
        check_patterns(groups or (), settings.get(name) or {}, name)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise BudgetError(f"{name} must be a number, got {value!r}")
    amount = float(value)
    if name in _SHARES and not 0 <= amount <= 1:
        raise BudgetError(f"{name} is a share of the widened channels, between 0 and 1; got {amount:g}")
    if name in ("macs", "params") and not amount > 0:
        raise BudgetError(f"{name} must be above 0, relative to the baseline's; got {amount:g}")
    whole = name in _COUNTS
    if (whole or name == "width") and (not 1 <= amount < float("inf") or (whole and amount != int(amount))):
        raise BudgetError(f"{name} must be a {'whole ' * whole}number of at least 1; got {amount:g}")
