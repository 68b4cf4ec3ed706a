"""More and less of LW-DNA: whether its unevenness itself costs, and whether its direction matters."""

from __future__ import annotations

from benchmarks.evidence import figures
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import Study, Table, cell, differences, seeds_of
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.wording import points

AMPLITUDES = (("mirrored", -1.0), ("uniform", 0.0), ("damped", 0.5), (LWDNA, 1.0), ("amplified", 2.0))
"""Arms that share LW-DNA's pattern, and the power of its keep ratios that they have. All have its MACs."""
_RESOLVED = {"better": "resolved", "worse": "resolved"}


def amplitude(section: Section | None) -> Study | None:
    """Scores over the power, all over the seeds that all of them have."""
    arms = [arm for arm, _ in AMPLITUDES]
    if section is None:
        return None
    to_base = differences(section, [(arm, arm, BASELINE) for arm in arms])
    to_uniform = dict(differences(section, [(arm, arm, "uniform") for arm in arms if arm != "uniform"]))
    if not to_base or not to_uniform:
        return None
    unit, turned = section.unit, differences(section, [("", LWDNA, "mirrored"), ("", "amplified", "mirrored")])[0][1]
    points_of = [(power, pair["difference"], pair["low"], pair["high"])
                 for (_, power), (_, pair) in zip(AMPLITUDES, to_base, strict=True)]  # fmt: skip
    words = {arm: f"{cell(pair, unit).strip('*')}, {_RESOLVED.get(pair['verdict'], 'not resolved')}"
             for arm, pair in to_uniform.items()}  # fmt: skip
    return Study(
        "amplitude", "More and less of LW-DNA",
        figures.lines({"": points_of}, "power of LW-DNA's keep ratios (0: uniform, 1: LW-DNA, −1: mirrored)",
                      f"arm − baseline, {points(unit)}"),
        f"At equal MACs, against uniform widths LW-DNA's ratios score {words[LWDNA]}; squared {words['amplified']}; "
        f"turned round {words['mirrored']} ({points(unit)}).",
        [
            "Every arm has LW-DNA's MACs and its pattern, only more, less or the reverse of it: if the search found "
            "what helps, scores would rise from −1 over 0 to 1; if unevenness itself costs, they fall to both sides.",
            f"LW-DNA − its mirror image: {cell(turned, unit).strip('*')} {points(unit)}. {section.entry.title}, over "
            f"the {seeds_of(to_base)} that all of them have; the band is the interval of each difference.",
        ],
        [Table(
            ("arm", "power", f"− baseline, {points(unit)}", "− uniform"),
            [(arm, f"{power:g}".replace("-", "−"), cell(pair, unit), cell(to_uniform.get(arm), unit))
             for (arm, power), (_, pair) in zip(AMPLITUDES, to_base, strict=True)],
        )],
    )  # fmt: skip
