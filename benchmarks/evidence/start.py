"""Training from fresh weights, as the paper says, or from the hypernetwork's, as the published code does."""

from __future__ import annotations

from benchmarks.evidence import figures
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import Study, Table, as_pair, cell, common, plain, seeds_of
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.statistics import paired_difference
from lwdna_core.compare.wording import points

_VERDICT = {"better": "is better than", "worse": "is worse than"}


def start(fresh: Section | None, taken: Section | None) -> Study | None:
    """The same channels trained from both, over the seeds that all have."""
    if fresh is None or taken is None:
        return None
    metric = fresh.comparison["primary"]
    arms = [fresh.comparison["arms"].get(LWDNA), taken.comparison["arms"].get(LWDNA)]
    base = fresh.comparison["arms"].get(BASELINE)
    if base is None or None in arms:
        return None
    scores = [arm["metrics"][metric]["values"] for arm in (arms[1], arms[0], base)]
    hyper, own, reference = common(scores)
    rows = [
        ("hypernetwork's weights − fresh ones", as_pair(paired_difference(hyper, own), upwards=True)),
        ("hypernetwork's weights − baseline", as_pair(paired_difference(hyper, reference), upwards=True)),
        ("fresh weights − baseline", as_pair(paired_difference(own, reference), upwards=True)),
    ]
    if not hyper:
        return None
    return Study(
        "start", "Fresh weights against the hypernetwork's", figures.with_shares(rows, fresh.unit, {}),
        "To go on from the weights that the hypernetwork generated, as the published code does, "
        f"{_VERDICT.get(rows[0][1]['verdict'], 'is not distinguishable from')} training the same channels from fresh "
        f"ones: {plain(rows[0][1], fresh.unit)} {points(fresh.unit)}.",
        [
            "The paper says that LW-DNA is trained from scratch, and so does everything else on this page.",
            f"ResNet-8 on CIFAR-10, over the {seeds_of(rows)} that all have.",
        ],
        [Table(("", points(fresh.unit)), [(label, cell(pair, fresh.unit)) for label, pair in rows])],
    )  # fmt: skip
