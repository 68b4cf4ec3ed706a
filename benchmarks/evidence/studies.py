"""Questions that the paper leaves open: a figure and three sentences each, from the results alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.evidence import figures
from benchmarks.evidence.manifest import CRITERIA, FLOORS, FRACTIONS, RESNET8, TENTH, WIDTHS
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.results import read_json
from lwdna_core.compare.statistics import ENOUGH, Difference, paired_difference, verdict
from lwdna_core.compare.wording import interval, number, places, plural, points, share

if TYPE_CHECKING:
    from benchmarks.evidence.page import Section

MAIN = f"{RESNET8}_fraction{TENTH:g}"
Sections = Mapping[str, "Section"]


@dataclass(frozen=True)
class Study:
    """A title, the figure with its file's name, and what it says."""

    name: str
    title: str
    figure: bytes
    sentences: Sequence[str]


def studies(sections: Sections, results: Path) -> list[Study]:
    """All studies that have their results."""
    found: list[Callable[[], Study | None]] = [
        lambda: _parts(sections),
        lambda: _arms(sections, "floor", "The floor", FLOORS),
        lambda: _arms(sections, "criteria", "Criteria against each other", CRITERIA),
        lambda: _arms(sections, "width", "The width of the search", WIDTHS),
        lambda: _fractions(sections),
        lambda: _start(sections),
        lambda: _align(sections),
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
        arms, metric = section.comparison["arms"], section.comparison["primary"]
        if not {BASELINE, LWDNA, "uniform", "shuffled"} <= arms.keys():
            continue
        upwards = section.comparison["metrics"][metric]["higher_is_better"]
        scores = {arm: row["metrics"][metric]["values"] for arm, row in arms.items()}
        common = set.intersection(*(set(scores[arm]) for arm in (BASELINE, LWDNA, "uniform", "shuffled")))
        scores = {arm: {seed: v for seed, v in values.items() if seed in common} for arm, values in scores.items()}
        rows = [(label, _as_pair(paired_difference(scores[a], scores[b]), upwards)) for label, a, b in PARTS]
        if rows[0][1]["n"] >= ENOUGH:
            panels.append((section, rows))
    if not panels:
        return None
    labels = [label for label, _, _ in PARTS]
    counts = {label: Counter(pair["verdict"] for _, rows in panels for of, pair in rows if of == label)
              for label in labels}  # fmt: skip
    above = {label: sum(pair["difference"] > 0 for _, rows in panels for of, pair in rows if of == label)
             for label in labels}  # fmt: skip
    at_floor = fmean(_at_floor(section, LWDNA) for section, _ in panels)
    return Study(
        "parts", "What the difference is made of",
        figures.panels([(section.entry.title, section.unit, rows) for section, rows in panels]),
        [
            "`shuffled` gives LW-DNA's keep ratios to other layers, so LW-DNA − baseline is the sum of what fewer MACs "
            "do to a network that stays uniform, of what unequal widths do whoever gets them, and of what the search "
            "decides: which layer gets which.",
            "Of " + plural(len(panels), "comparison") + ": " + "; ".join(
                f"{label.split(':')[0]} lies above 0 in {above[label]} "
                f"(resolved: {counts[label]['better']} better, {counts[label]['worse']} worse)" for label in labels
            ) + ".",
            f"On average {share(at_floor)} of LW-DNA's groups keep just their floor: there the scores decide nothing.",
        ],
    )  # fmt: skip


def _as_pair(difference: Difference, upwards: bool) -> dict[str, Any]:
    """As the pairs of a comparison are written."""
    return {"difference": difference.mean, "low": difference.low, "high": difference.high, "n": difference.n,
            "verdict": verdict(difference, upwards)}  # fmt: skip


def _arms(sections: Sections, name: str, title: str, arms: Sequence[str]) -> Study | None:
    """Several arms of one comparison against its baseline, with the groups at their floor and the parameters."""
    section = sections.get(MAIN)
    rows = [(arm, pair) for arm in arms if section and (pair := section.pair(arm, BASELINE))]
    if section is None or len(rows) < 2:
        return None
    at_floor = {arm: _at_floor(section, arm) for arm, _ in rows}
    costs = section.comparison["arms"]
    params = {arm: costs[arm]["params"] / costs[BASELINE]["params"] for arm, _ in rows}
    best, worst = (choose(rows, key=lambda row: row[1]["difference"]) for choose in (max, min))
    resolved = [f"{arm} ({pair['verdict']})" for arm, pair in rows if pair["verdict"] in ("better", "worse")]
    sentences = [
        f"{section.entry.title}: {_shown(*best, section.unit)} lies highest and {_shown(*worst, section.unit)} lowest, "
        "all against the baseline.",
        "On their floor are "
        + ", ".join(f"{at_floor[arm]:.0%} of the groups of {arm}".replace("%", " %") for arm, _ in rows)
        + "; the parameters are "
        + ", ".join(share(params[arm]) for arm, _ in rows)
        + " of the baseline's.",
        f"Over {plural(rows[0][1]['n'], 'seed')} the intervals tell these from the baseline: {', '.join(resolved)}."
        if resolved
        else f"Over {plural(rows[0][1]['n'], 'seed')} no interval tells any of them from the baseline.",
    ]
    return Study(
        name,
        title,
        figures.with_shares(rows, section.unit, {"at the floor, %": at_floor, "parameters, %": params}),
        sentences,
    )


def _fractions(sections: Sections) -> Study | None:
    found = {f: s for f in FRACTIONS if (s := sections.get(f"{RESNET8}_fraction{f:g}")) and s.pair(LWDNA, BASELINE)}
    if len(found) < 2:
        return None
    unit = next(iter(found.values())).unit
    rows = [(f"{f:.1%} of the images".replace("%", " %"), s.pair(LWDNA, BASELINE)) for f, s in found.items()]
    shown = [(label, pair) for label, pair in rows if pair]
    signs = [pair["difference"] > 0 for _, pair in shown]
    return Study(
        "fractions", "The amount of data", figures.with_shares(shown, unit, {}),
        [
            "ResNet-8 on CIFAR-10, the same number of epochs: "
            + _listed(shown, unit) + ".",
            f"LW-DNA lies above the baseline at {sum(signs)} of {len(signs)} sizes.",
            _resolved(shown),
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
        pairs.append((label, _as_pair(difference, upwards=True)))
    return Study(
        "start", "Fresh weights against the hypernetwork's", figures.with_shares(pairs, fresh.unit, {}),
        [
            "The published code goes on from the weights that the hypernetwork generated; the paper says from scratch.",
            "The same channels of ResNet-8 on CIFAR-10: " + _listed(pairs, fresh.unit) + ".",
            _resolved(pairs),
        ],
    )  # fmt: skip


def _align(sections: Sections) -> Study | None:
    section = sections.get(MAIN)
    latency = Path(__file__).parents[1] / "results" / "latency.json"
    rows = [(arm, p) for arm in (LWDNA, "lwdna-align8") if section and (p := section.pair(arm, BASELINE))]
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
            "ResNet-8 on CIFAR-10, against the baseline: " + _listed(rows, section.unit) + ".",
            f"Time of inference against the baseline's, on the CPU of [the latency benchmark](latency.md): {times}.",
            _resolved(rows),
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


def _at_floor(section: Section, arm: str) -> float:
    """Share of the groups that keep just their floor, over all seeds."""
    return fmean(group[4] for run in section.runs if run["arm"] == arm for group in run["groups"])


def _shown(label: str, pair: Mapping[str, Any], unit: str) -> str:
    text = f"{label} {number(pair['difference'], places(unit), sign=True)} {points(unit)}".rstrip()
    return text if pair["low"] is None else f"{text} ({interval(pair['low'], pair['high'], unit)})"


def _listed(rows: Sequence[tuple[str, Mapping[str, Any]]], unit: str) -> str:
    return "; ".join(_shown(*row, unit) for row in rows)


def _resolved(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    seeds = plural(rows[0][1]["n"], "seed")
    found = [f"{label} ({pair['verdict']})" for label, pair in rows if pair["verdict"] in ("better", "worse")]
    return f"Over {seeds}, resolved: {', '.join(found)}." if found else f"Over {seeds} none of these is resolved."
