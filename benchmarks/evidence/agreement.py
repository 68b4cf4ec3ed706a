"""How far searches of several seeds agree, from what `stability` has measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.evidence import figures
from benchmarks.evidence.study import Study, Table
from lwdna_core.compare.results import read_json
from lwdna_core.compare.wording import number, plural, share


def agreement(results: Path) -> Study | None:
    """Correlation of keep ratios between seeds, over the number of batches."""
    path = results / "stability.json"
    if not path.exists():
        return None
    content = read_json(path)
    curves, at_floor = content["correlation"], content["at_floor"]
    told = "; ".join(
        f"with floor {floor}, from {number(rows[0]['mean'], 2)} after {plural(rows[0]['batches'], 'batch', 'es')} "
        f"to {number(rows[-1]['mean'], 2)} after {rows[-1]['batches']}"
        for floor, rows in curves.items()
    )
    machine = content["environment"]
    return Study(
        "stability", "Batches and seeds",
        figures.lines(
            {f"floor {floor}": [(row["batches"], row["mean"], row["low"], row["high"]) for row in rows]
             for floor, rows in curves.items()},
            "batches that the search sees", "correlation between seeds", logarithmic=True,
        ),
        f"Keep ratios of two seeds correlate, {told}.",
        [
            f"{content['title']}, all pairs of {content['seeds']} seeds; a search of the most batches took "
            f"{content['seconds']:.0f} s.",
            "Groups on a floor agree because of it, not because of their scores: "
            + "; ".join(f"{share(part)} are with floor {floor}" for floor, part in at_floor.items()) + ".",
            f"Command: `{content['command']}`; commit {content['commit']}; on {machine['device']} "
            f"(torch {machine['torch']}, {plural(machine['threads'], 'thread')}).",
        ],
        [Table(
            ("batches", *(f"floor {floor}: mean (range)" for floor in curves)),
            [(str(rows[0]["batches"]),
              *(f"{number(r['mean'], 2)} ({number(r['low'], 2)} to {number(r['high'], 2)})" for r in rows))
             for rows in zip(*curves.values(), strict=True)],
        )],
    )  # fmt: skip
