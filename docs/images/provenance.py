"""Draws provenance.svg: the example of docs/engine.md as the engine traces it. Run it where lwdna is installed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from torch import Tensor

from lwdna_core.shrink import trace
from lwdna_core.shrink.forward import record_forward
from lwdna_core.shrink.subject import Subject

HERE = Path(__file__).parent
FIXED, COLOURS = "#c8c8c8", ("#56b4e9", "#e69f00", "#7cc68d")
CELL, GRID = 24, 9


def draw() -> str:
    """The picture."""
    page = (HERE.parent / "engine.md").read_text()
    names: dict[str, object] = {}
    exec(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)[0], names)
    network, x = names["network"], names["x"]
    graph, (record, _) = trace(network, x), record_forward(Subject(network), x, {})  # type: ignore[arg-type]
    of_element = np.repeat(np.arange(len(graph.groups)), [g.size for g in graph.groups])

    def colour(element: int) -> str:
        return FIXED if element < 0 else COLOURS[of_element[element]]

    by_root: dict[int, int] = {}
    shown: dict[int, int] = {}
    for key, ids in record.labels.items():
        by_root |= dict(zip(record.ids.find(ids).tolist(), graph.tokens[key].element.tolist(), strict=True))
    layers, parts, top = iter(graph.layers), [], 52
    image = [(n, FIXED, -1 - n) for n in range(x.size(1))]  # type: ignore[attr-defined]
    rows = [("image", image)]
    for step in record.steps:
        carried = step.cores[0]
        if not isinstance(carried, Tensor) or carried.numel() < 2:  # the normalisation counts its batches
            continue
        ids = carried.flatten()
        cells = [
            (shown.setdefault(i, len(shown) + len(image)), colour(by_root.get(r, -1)), r)
            for i, r in zip(ids.tolist(), record.ids.find(ids).tolist(), strict=True)
        ]
        rows.append((step.op.removeprefix("native_"), cells))
    for op, cells in rows:
        height = 40
        layer = next(layers) if op == "convolution" else None
        label = layer.tensor.removesuffix(".weight") if layer else op
        parts.append(f'<text x="16" y="{top + 17}">{label}</text>')
        for k, (number, fill, root) in enumerate(cells):
            left = 120 + k * CELL
            parts.append(
                f'<rect x="{left}" y="{top}" width="{CELL - 2}" height="{CELL - 2}" rx="3" fill="{fill}"/>'
                f'<text x="{left + 11}" y="{top + 16}" class="id">{number}</text>'
            )
            if k and root == cells[k - 1][2]:  # tied to its neighbour
                parts.append(f'<rect x="{left - 20}" y="{top + 24}" width="{2 * CELL - 10}" height="3" fill="#444"/>')
        if layer:
            outs = graph.tokens[layer.tensor, layer.out_dim].element.tolist()
            ins = graph.tokens[layer.tensor, layer.in_dim].element.tolist()
            left = 450
            parts.append(f'<text x="{left + 130}" y="{top + 17}">{layer.tensor}: {len(outs)} × {len(ins)}</text>')
            for i, e in enumerate(ins):
                at = left + 14 + i * GRID
                parts.append(f'<rect x="{at}" y="{top - 8}" width="{GRID - 1}" height="6" fill="{colour(e)}"/>')
            for o, e in enumerate(outs):
                at = top + o * GRID
                parts.append(f'<rect x="{left + 4}" y="{at}" width="6" height="{GRID - 1}" fill="{colour(e)}"/>')
                parts += [
                    f'<rect x="{left + 14 + i * GRID}" y="{at}" width="{GRID - 1}" height="{GRID - 1}" fill="#eee"/>'
                    for i in range(len(ins))
                ]
            height = max(height, len(outs) * GRID + 22)
        top += height
    legend = [(f"group {g.name}: {g.size}", c) for g, c in zip(graph.groups, COLOURS, strict=True)]
    for k, (text, fill) in enumerate([*legend, ("fixed", FIXED)]):
        parts.append(
            f'<rect x="{16 + k * 160}" y="{top + 6}" width="14" height="14" rx="3" fill="{fill}"/>'
            f'<text x="{36 + k * 160}" y="{top + 18}">{text}</text>'
        )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{top + 36}" viewBox="0 0 760 {top + 36}">'
        "<style>text{font:13px sans-serif;fill:#222}.id{font-size:11px;text-anchor:middle}.h{font-weight:bold}</style>"
        f'<rect width="760" height="{top + 36}" fill="white"/>'
        '<text x="16" y="24" class="h">operation</text><text x="120" y="24" class="h">channels that come out</text>'
        '<text x="450" y="24" class="h">weight: rows make, columns read</text>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    (HERE / "provenance.svg").write_text(draw())
