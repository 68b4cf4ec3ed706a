"""The HTML page: what is known of a comparison, as the template wants it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from lwdna_core.compare import wording
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.comparison import read_results
from lwdna_core.compare.report import figures
from lwdna_core.compare.report.channels import charts, layers
from lwdna_core.compare.report.facts import environment_facts, protocol_facts
from lwdna_core.compare.report.material import Material
from lwdna_core.compare.statistics import half_width
from lwdna_core.compare.task import Picture

_MANY_COMPARISONS = 5  # from so many on, the page warns of chance
_COLUMNS = 2  # metrics that fit beside the costs; more stand one below the other
_CURVES = 5  # metrics whose curves are shown at once; those of more are folded away


def page(material: Material, note: str | None = None) -> str:
    """The report of one comparison. `note` says why latency could not be measured."""
    comparison, metrics = material.comparison, material.comparison["metrics"]
    primary = comparison["primary"]
    pairs = [pair for pair in comparison["pairs"] if pair["difference"] is not None]
    shown = [(name, metric["unit"]) for name, metric in metrics.items()]
    drawn = [
        figures.curve(material.results, list(comparison["arms"]), key, unit, f"curve-{index}")
        for index, (key, unit) in enumerate([("loss", ""), *shown])
    ]
    curves = [svg for svg in drawn if svg]
    return _render(
        "comparison.html.j2",
        heading=wording.title(comparison),
        material=material,
        comparison=comparison,
        primary=primary,
        verdict=verdict(comparison, material.results),
        forest=figures.forest(comparison, primary) if any(p["metric"] == primary for p in pairs) else None,
        arms=[_arm(material, arm) for arm in comparison["arms"]],
        transposed=len(metrics) > _COLUMNS,
        pairs=[_pair(comparison, pair) for pair in pairs if pair["metric"] == primary],
        more_pairs=[_pair(comparison, pair) for pair in pairs if pair["metric"] != primary],
        chance=len(pairs) if len(pairs) >= _MANY_COMPARISONS else 0,
        latency=material.latency,
        channels=[_channels(material, arm) for arm in material.searched],
        curves=curves[: 1 + _CURVES],
        more_curves=curves[1 + _CURVES :],
        far=[
            f"{arm} ({wording.share(comparison['arms'][arm]['macs'] / comparison['arms'][BASELINE]['macs'])} of the "
            "baseline’s MACs)"
            for arm in figures.far(comparison["arms"])
            if BASELINE in comparison["arms"]
        ],
        tradeoff=figures.tradeoff(comparison, primary),
        pictures=[(picture, _data_uri(picture)) for picture in material.pictures],
        protocol=protocol_facts(material),
        hashed=json.dumps(material.results[0]["protocol"], indent=2, sort_keys=True),
        environment=environment_facts(material),
        commands=list(dict.fromkeys(r["command"] for r in material.results if r["command"])),
        notes=material.notes,
        unmeasured=note,
    )


def fractions_page(folder: Path, content: Mapping[str, Any]) -> str:
    """The report of a study of the training set's size. `content` is that of `fractions.json`."""
    fractions: dict[str, dict[str, Any]] = content["fractions"]
    primary = list(fractions.values())[-1]["primary"]
    sizes: dict[str, list[dict[str, Any]]] = {}
    for fraction, comparison in fractions.items():
        for pair in comparison["pairs"]:
            if pair["metric"] == primary and pair["difference"] is not None:
                row, arms = _pair(comparison, pair), comparison["arms"]
                means = [wording.spread(arms[pair[arm]]["metrics"][primary], row["unit"]) for arm in ("arm", "vs")]
                sizes.setdefault(fraction, []).append({**row, "means": means})
    results = [result for fraction in fractions for result in read_results(folder / f"fraction{fraction}")]
    return _render(
        "fractions.html.j2",
        content=content,
        primary=primary,
        headline=_fractions_headline(fractions, primary),
        gain=figures.gain(fractions, primary) if sizes else None,
        sizes={f"{100 * float(fraction):g} %": (fraction, rows) for fraction, rows in sizes.items()},
        commands=list(dict.fromkeys(r["command"] for r in results if r["command"])),
    )


def _fractions_headline(fractions: Mapping[str, dict[str, Any]], primary: str) -> str:
    """How often LW-DNA beats the baseline."""
    verdicts = [
        pair["verdict"]
        for comparison in fractions.values() for pair in comparison["pairs"]
        if (pair["arm"], pair["vs"], pair["metric"]) == (LWDNA, BASELINE, primary)
    ]  # fmt: skip
    counts = {kind: verdicts.count(kind) for kind in ("better", "worse", "not distinguishable", "too few seeds")}
    said = [f"{kind} at {counts[kind]}" for kind in ("better", "worse", "not distinguishable") if counts[kind]]
    if not said:
        return "Too few seeds for a verdict at any size of the training set"
    return f"LW-DNA against the baseline: {', '.join(said)} of {wording.plural(len(fractions), 'size')}"


def verdict(comparison: dict[str, Any], results: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What the comparison says of its first arm's primary metric, in words; None without a pair."""
    pairs = [p for p in comparison["pairs"] if p["metric"] == comparison["primary"] and p["difference"] is not None]
    pairs.sort(key=lambda p: (p["arm"] != LWDNA, p["vs"] != BASELINE))
    if not pairs:
        return None
    pair, unit = pairs[0], comparison["metrics"][comparison["primary"]]["unit"]
    arm, reference = _display(pair["arm"]), _display(pair["vs"], article=True)
    headline = {
        "too few seeds": f"Too few seeds for a verdict on {arm}",
        "not distinguishable": f"{arm} is not distinguishable from {reference}",
    }.get(pair["verdict"], f"{arm} is {pair['verdict']} than {reference}")
    shown = f"{wording.number(pair['difference'], wording.places(unit), sign=True)} {wording.points(unit)}".rstrip()
    numbers = (
        f"95 % interval {wording.interval(pair['low'], pair['high'], unit)} over {wording.plural(pair['n'], 'seed')}"
        if pair["low"] is not None
        else f"{wording.plural(pair['n'], 'seed')}, no interval"
    )
    text = f"{comparison['primary']}: {shown}, {numbers}, {wording.cost(pair)}."
    controls = [
        f"{wording.verdict_words(p)} ({wording.number(p['difference'], wording.places(unit), sign=True)})"
        for p in pairs[1:] if p["arm"] == pair["arm"]
    ]  # fmt: skip
    bootstrap = pair["bootstrap"]
    search = wording.search_sentence(results)
    return {
        "kind": {"better": "better", "worse": "worse"}.get(pair["verdict"], "open"),
        "headline": headline,
        "text": text,
        "seeds": _sentence(wording.seeds_words(pair)),
        "controls": f"Against the other arms: {'; '.join(controls)}." if controls else None,
        "bootstrap": (
            f"Drawing the {bootstrap['n_items']} test items again moves the difference between "
            f"{wording.interval(bootstrap['low'], bootstrap['high'], unit).replace(' to ', ' and ')}; "
            "the verdict does not use this."
            if bootstrap
            else None
        ),
        "search": _sentence(search),
    }


def _arm(material: Material, arm: str) -> dict[str, Any]:
    """A row of the table of arms."""
    comparison = material.comparison
    row, metrics = comparison["arms"][arm], {}
    for name, metric in row["metrics"].items():
        unit = comparison["metrics"][name]["unit"]
        bounds = None
        if metric["std"] is not None:
            half = half_width(metric["std"], metric["n"])
            low, high = (wording.number(metric["mean"] + side * half, wording.places(unit)) for side in (-1, 1))
            bounds = f"{low} to {high}"
        metrics[name] = {"text": wording.spread(metric, unit), "interval": bounds}
    baseline = comparison["arms"].get(BASELINE) if arm != BASELINE else None
    search, trained = material.search_cost(arm), [r["train"] for r in material.of(BASELINE)]
    timed = material.latency["arms"].get(arm) if material.latency else None
    memory = [r["train"].get("peak_memory") for r in material.of(arm)]
    return {
        "name": arm,
        "summary": material.summary(arm),
        "index": figures.series(arm, list(comparison["arms"])),
        "seeds": len(row["networks"]),
        "metrics": metrics,
        "costs": [
            (wording.amount(row[key]), wording.share(row[key] / baseline[key]) if baseline else None)
            for key in ("macs", "params")
        ],
        "latency": _latency(timed) if timed else None,
        "memory": _bytes(timed["memory"]) if timed else None,
        "training_memory": _bytes(max(memory)) if all(memory) else None,
        "search": wording.duration(search["seconds"]) if search else None,
        "search_share": (
            wording.share(search["seconds"] / fmean(t["seconds"] for t in trained)) if search and trained else None
        ),
        "inits": sorted({r.get("init", "fresh") for r in material.of(arm)}),
    }


def _latency(timed: Mapping[str, Any]) -> tuple[str, str]:
    scale, unit = (1e3, "ms") if timed["median"] >= 1e-3 else (1e6, "µs")
    compared = timed["ratio"]
    words = f"{compared['median']:.2f} ×, {compared['verdict']}"
    return f"{timed['median'] * scale:.3g} {unit}", words


def _pair(comparison: dict[str, Any], pair: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of differences."""
    unit = comparison["metrics"][pair["metric"]]["unit"]
    bootstrap = pair["bootstrap"]
    return {
        **pair,
        "unit": unit,
        "difference": wording.number(pair["difference"], wording.places(unit), sign=True),
        "points": wording.points(unit),
        "interval": wording.interval(pair["low"], pair["high"], unit),
        "over_items": wording.interval(bootstrap["low"], bootstrap["high"], unit) if bootstrap else None,
        "needed": _needed(pair),
        "index": figures.series(pair["arm"], list(comparison["arms"])),
    }


def _needed(pair: Mapping[str, Any]) -> str:
    if pair["low"] is None or not pair["difference"]:
        return "–"
    return f"{pair['seeds_needed']:,}".replace(",", " ") if pair["seeds_needed"] else "over 10 000"


def _channels(material: Material, arm: str) -> dict[str, Any]:
    """What the page says of one searched arm's configuration."""
    configs = material.channels[arm]
    first, found = next(iter(configs.values())), layers(configs)
    others = {
        other: layers(material.channels[other])
        for other in material.comparison["arms"]
        if other not in (arm, BASELINE) and other not in material.searched and material.channels[other]
    }
    return {
        "arm": arm,
        "charts": charts(found, arm),
        "layers": found,
        "others": {other: {row.name: row.found for row in rows} for other, rows in others.items()},
        "seeds": list(configs),
        "wider": sum(layer.mean > layer.baseline for layer in found),
        "at_floor": fmean(sum(group.at_floor for group in config.groups) for config in configs.values()),
        "frozen": first.frozen,
        "unscored": first.unscored,
        "limits": {f"seed {seed}": config.limits for seed, config in configs.items() if config.limits},
        "settings": {key: value for key, value in first.settings.items() if value not in (None, {}, [])},
    }


def _display(arm: str, article: bool = False) -> str:
    return {LWDNA: "LW-DNA", BASELINE: "the baseline" if article else "The baseline"}.get(arm, arm)


def _sentence(text: str | None) -> str | None:
    return f"{text[0].upper()}{text[1:]}." if text else None


def _bytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB" if value < 2**30 else f"{value / 2**30:.2f} GiB"


def _data_uri(picture: Picture) -> str:
    kind = "png" if picture.image.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture.image).decode()}"


def _render(template: str, **context: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lwdna_core.compare.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**context)
