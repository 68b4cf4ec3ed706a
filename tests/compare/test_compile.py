"""`--compile`: every run of a process in the same way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lwdna_core.compare.runner import compile_network


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).relu()


def test_every_network_of_a_process_is_compiled_for_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[object]] = []

    def backend(graph: torch.fx.GraphModule, example: list[Tensor]) -> object:
        sizes = [tuple(t.shape) for t in example if t.dim() == 2]  # a size that is a symbol has no such tuple of ints

        def run(*args: Tensor) -> object:
            calls[-1].append(sizes[-1][0])
            return graph.forward(*args)

        return run

    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, dynamic, mode: plain(self, backend=backend, dynamic=dynamic))
    for _ in range(10):  # more than the compiler's cache has room for
        network = Small()
        compile_network(network, "default")
        calls.append([])
        for batch in (6, 6, 2, 6):
            network(torch.zeros(batch, 4))
    assert calls == 10 * [[6, 6, 2, 6]]
