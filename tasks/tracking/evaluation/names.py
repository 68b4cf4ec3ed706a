"""Names of sequences, which differ in case and joiner between sources: Jogging-1, Jogging.1, jogging_1."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable

_JOINER = re.compile(r"[-._ ]+")
_SAME = {"human4": "human4-2", "human4-2": "human4"}
"""OTB's Human4 has a second target alone, and its name comes with the number and without."""


def canonical(name: str) -> str:
    """The spelling that all sources share: lower case, joined by "-"."""
    return _JOINER.sub("-", name.lower())


class NameBook:
    """Finds a sequence by any spelling of its name.

    Besides case and joiner, the joiner may be missing (Jogging1), as long as one sequence alone fits; and Human4 is
    Human4-2.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self._exact = {canonical(name): name for name in self.names}
        self._joined = _unique((spelling.replace("-", ""), name) for spelling, name in self._exact.items())

    def find(self, name: str) -> str | None:
        """The sequence called `name`, or None."""
        spelling = canonical(name)
        return (
            self._exact.get(spelling)
            or self._joined.get(spelling.replace("-", ""))
            or self._exact.get(_SAME.get(spelling, ""))
        )

    def inside(self, name: str) -> str | None:
        """The longest sequence with whose name `name` begins or ends, set apart by a joiner; None where there is none.

        As in Couple_MyTracker, by which some toolkits call the results of MyTracker on Couple.
        """
        spelling = canonical(name)
        found = [s for s in self._exact if spelling.startswith(f"{s}-") or spelling.endswith(f"-{s}")]
        return self._exact[max(found, key=len)] if found else None

    def near(self, name: str) -> str:
        """What to say of a name that is none: names like it."""
        close = difflib.get_close_matches(canonical(name), self._exact, n=3, cutoff=0.6)
        return f"; near ones: {', '.join(self._exact[spelling] for spelling in close)}" if close else ""


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs whose first member comes but once."""
    listed = list(pairs)
    number = Counter(spelling for spelling, _ in listed)
    return {spelling: name for spelling, name in listed if number[spelling] == 1}
