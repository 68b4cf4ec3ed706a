"""Questions that the paper leaves open: a figure and three sentences each, from the results alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.evidence import figures
from benchmarks.evidence.manifest import CRITERIA, FLOORS, FRACTIONS, RESNET8, TENTH, WIDTHS
from benchmarks.evidence.searches import searches
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import (
    Row,
    Sections,
    Study,
    above,
    as_pair,
    counted_in_words,
    differences,
    in_words,
    listed,
    resolved_of,
    share_at_floor,
)
from benchmarks.evidence.training_time import training_time
from benchmarks.evidence.unevenness import unevenness
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.results import read_json
from lwdna_core.compare.statistics import ENOUGH, paired_difference
from lwdna_core.compare.wording import number, plural, share

MAIN = f"{RESNET8}_fraction{TENTH:g}"
MORE = f"{RESNET8}_fraction0.4"


def studies(sections: Sections, results: Path) -> list[Study]:
    """All studies that have their results."""
    found: list[Callable[[], Study | None]] = [
        lambda: _parts(sections),
        lambda: _arms(sections, "floor", "The floor", FLOORS, MORE),
        lambda: _arms(sections, "criteria", "Criteria against each other", CRITERIA),
        lambda: searches(sections),
        lambda: unevenness(sections),
        lambda: _arms(sections, "width", "The width of the search", WIDTHS),
        lambda: _fractions(sections),
        lambda: _start(sections),
        lambda: _align(sections),
        lambda: training_time(sections),
        lambda: _stability(results),
    ]
    return [study for make in found if (study := make()) is not None]


PARTS = (
    ("fewer MACs: uniform − baseline", "uniform", BASELINE),
    ("uneven widths: shuffled − uniform", "shuffled", "uniform"),
    ("who gets them: LW-DNA − shuffled", LWDNA, "shuffled"),
)


def _parts(sections: Sections) -> Study | None:
    """LW-DNA − baseline as a sum: of fewer MACs, of widths that differ by layer, and of which layer gets which."""
    panels = []
    for section in sections.values():
        rows = differences(section, PARTS)
        if rows and rows[0][1]["n"] >= ENOUGH:
            panels.append((section, rows))
    if not panels:
        return None
    counted = [(label, [row for _, rows in panels for row in rows if row[0] == label]) for label, _, _ in PARTS]
    at_floor = fmean(share_at_floor(section, LWDNA) for section, _ in panels)
    return Study(
        "parts", "What the difference is made of",
        figures.panels([(section.entry.title, section.unit, rows) for section, rows in panels]),
        [
            "`shuffled` gives LW-DNA's keep ratios to other layers, so LW-DNA − baseline is the sum of what fewer MACs "
            "do to a network that stays uniform, of what unequal widths do whoever gets them, and of what the search "
            "decides: which layer gets which.",
            "Of " + plural(len(panels), "comparison") + ": "
            + "; ".join(f"{label.split(':')[0]} {counted_in_words(rows)}" for label, rows in counted) + ".",
            f"On average {share(at_floor)} of LW-DNA's groups keep just their floor: there the scores decide nothing.",
        ],
    )  # fmt: skip


def _arms(sections: Sections, name: str, title: str, arms: Sequence[str], again: str = "") -> Study | None:
    """Several arms of one comparison against its baseline, with the groups at their floor and the parameters; what of
    them was looked at `again` in another comparison is told.
    """
    section, other = sections.get(MAIN), sections.get(again)
    rows = _present(section, arms)
    if section is None or len(rows) < 2:
        return None
    at_floor = {arm: share_at_floor(section, arm) for arm, _ in rows}
    costs = section.comparison["arms"]
    params = {arm: costs[arm]["params"] / costs[BASELINE]["params"] for arm, _ in rows}
    best, worst = (choose(rows, key=above) for choose in (max, min))
    sentences = [
        f"{section.entry.title}: {in_words(*best, section.unit)} lies highest and "
        f"{in_words(*worst, section.unit)} lowest, all against the baseline.",
        "On their floor are "
        + ", ".join(f"{at_floor[arm]:.0%} of the groups of {arm}".replace("%", " %") for arm, _ in rows)
        + "; the parameters are "
        + ", ".join(share(params[arm]) for arm, _ in rows)
        + " of the baseline's.",
        resolved_of(rows),
    ]
    if other is not None and (seen := _present(other, arms)):
        sentences.append(f"{other.entry.title}: {listed(seen, other.unit)}. {resolved_of(seen)}")
    return Study(
        name,
        title,
        figures.with_shares(rows, section.unit, {"at the floor, %": at_floor, "parameters, %": params}),
        sentences,
    )


def _present(section: Section | None, arms: Sequence[str]) -> list[Row]:
    """Those of the arms that were run, against the baseline, each over all its seeds."""
    return [(arm, pair) for arm in arms if section and (pair := section.pair(arm, BASELINE))]


def _fractions(sections: Sections) -> Study | None:
    """LW-DNA against the baseline at several sizes of the training set."""
    series: list[tuple[str, str, list[Row]]] = []
    for config, what, fractions in FRACTIONS:
        found = {f: sections.get(config if f is None else f"{config}_fraction{f:g}") for f in fractions}
        rows: list[Row] = [
            (f"{f or 1:.1%} of the images".replace("%", " %"), pair)
            for f, s in found.items() if s and (pair := s.pair(LWDNA, BASELINE))
        ]  # fmt: skip
        if len(rows) > 1:
            series.append((what, next(s.unit for s in found.values() if s), rows))
    if not series:
        return None
    return Study(
        "fractions", "The amount of data", figures.panels(series),
        [
            "The same number of epochs on fewer images. "
            + ". ".join(f"{what}: {listed(rows, unit)}" for what, unit, rows in series) + ".",
            "LW-DNA against the baseline, over the sizes: "
            + "; ".join(f"{what}: it {counted_in_words(rows)}" for what, _, rows in series) + ".",
            " ".join(f"{what}: {resolved_of(rows)}" for what, _, rows in series),
        ],
    )  # fmt: skip


def _start(sections: Sections) -> Study | None:
    fresh, taken = sections.get(MAIN), sections.get(f"resnet8_cifar10_hypernet_start_fraction{TENTH:g}")
    if fresh is None or taken is None or LWDNA not in fresh.comparison["arms"] or LWDNA not in taken.comparison["arms"]:
        return None
    metric = fresh.comparison["primary"]
    scores = [s.comparison["arms"][LWDNA]["metrics"][metric]["values"] for s in (taken, fresh)]
    base = fresh.comparison["arms"][BASELINE]["metrics"][metric]["values"]
    pairs = []
    for label, difference in (
        ("hypernetwork's weights − fresh ones", paired_difference(*scores)),
        ("hypernetwork's weights − baseline", paired_difference(scores[0], base)),
        ("fresh weights − baseline", paired_difference(scores[1], base)),
    ):
        if difference.mean is None:
            return None
        pairs.append((label, as_pair(difference, upwards=True)))
    return Study(
        "start", "Fresh weights against the hypernetwork's", figures.with_shares(pairs, fresh.unit, {}),
        [
            "The published code goes on from the weights that the hypernetwork generated; the paper says from scratch.",
            "The same channels of ResNet-8 on CIFAR-10: " + listed(pairs, fresh.unit) + ".",
            resolved_of(pairs),
        ],
    )  # fmt: skip


def _align(sections: Sections) -> Study | None:
    section = sections.get(MAIN)
    latency = Path(__file__).parents[1] / "results" / "latency.json"
    rows = _present(section, (LWDNA, "lwdna-align8"))
    if section is None or len(rows) < 2 or not latency.exists():
        return None
    ratios = read_json(latency)["ratios"]
    times = "; ".join(
        f"{what}: {number(ratio['ratio'], 2)} as found, {number(ratios[aligned]['ratio'], 2)} aligned"
        for what, ratio in ratios.items() if (aligned := what.replace(",", "_align8,", 1)) in ratios
    )  # fmt: skip
    return Study(
        "align", "Channels in multiples of 8", figures.with_shares(rows, section.unit, {}),
        [
            "ResNet-8 on CIFAR-10, against the baseline: " + listed(rows, section.unit) + ".",
            f"Time of inference against the baseline's, on the CPU of [the latency benchmark](latency.md): {times}.",
            resolved_of(rows),
        ],
    )  # fmt: skip


def _stability(results: Path) -> Study | None:
    path = results / "stability.json"
    if not path.exists():
        return None
    content = read_json(path)
    series = {
        f"floor {floor}": [(row["batches"], row["mean"], row["low"], row["high"]) for row in rows]
        for floor, rows in content["correlation"].items()
    }
    few, many = (next(iter(content["correlation"].values()))[i] for i in (0, -1))
    floors = content["at_floor"].items()
    return Study(
        "stability", "Batches and seeds",
        figures.lines(series, "batches that the search sees", "correlation between seeds", logarithmic=True),
        [
            f"{content['title']}: keep ratios of two seeds correlate by {number(few['mean'], 2)} after "
            f"{plural(few['batches'], 'batch', 'es')} and by {number(many['mean'], 2)} after {many['batches']} "
            f"(floor {next(iter(content['correlation']))}; mean and range over the pairs of {content['seeds']} seeds).",
            "On the floor are " + "; ".join(f"{share(s)} of the groups with floor {f}" for f, s in floors) + ".",
            f"A search of {many['batches']} batches took {content['seconds']:.0f} s.",
        ],
    )  # fmt: skip
