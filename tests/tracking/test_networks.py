"""The networks are the papers', and the search finds their LW-DNA: template and search image share one."""

from __future__ import annotations

import pytest
import torch

from lwdna_core.networks import build_network
from lwdna_core.shrink import find, trace
from tasks.tracking import siamfc, siamrpn
from tasks.tracking.networks.correlation import correlate, correlate_depthwise

EXEMPLAR, SEARCH = torch.randn(1, 3, 127, 127), torch.randn(1, 3, 255, 255)


@pytest.mark.parametrize(
    ("name", "millions"),
    # table 1 of the paper, with siamfc-pytorch's normalisation; pysot's siamrpn_r50_l234_dwxcorr
    [("siamfc", 2.336), ("siamrpnpp_r50", 53.951)],
)
def test_published_sizes(name: str, millions: float) -> None:
    assert sum(p.numel() for p in build_network(name).parameters()) / 1e6 == pytest.approx(millions, abs=6e-4)


def test_published_shapes() -> None:
    network = build_network("siamfc_small").eval()
    assert network.template(EXEMPLAR).shape == (1, 64, 6, 6)
    assert network(EXEMPLAR, SEARCH).shape == (1, 1, 17, 17)
    network = build_network("siamrpnpp_r18").eval()
    assert [t.shape[-2:] for t in network.template(EXEMPLAR)] == [(7, 7)] * 3
    scores, boxes = network(EXEMPLAR, SEARCH)
    assert (scores.shape, boxes.shape) == ((1, 10, 25, 25), (1, 20, 25, 25))


def test_every_pair_is_correlated_on_its_own() -> None:
    z, x = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 5, 5)
    each = [correlate(z[i : i + 1], x[i : i + 1]) for i in range(3)]
    assert torch.allclose(correlate(z, x), torch.cat(each), atol=1e-5)
    depthwise = correlate_depthwise(z, x)
    assert torch.allclose(depthwise.sum(1, keepdim=True), correlate(z, x), atol=1e-5)


@pytest.mark.parametrize(("name", "loss"), [("siamfc_small", siamfc.loss), ("siamrpnpp_r18", siamrpn.loss)])
def test_the_search_finds_its_lwdna_and_it_trains(name: str, loss: object) -> None:
    network = build_network(name)
    batch = {
        "exemplar": EXEMPLAR.repeat(2, 1, 1, 1),
        "search": SEARCH.repeat(2, 1, 1, 1),
        "boxes": torch.tensor([[5.0, 3.0, 60.0, 60.0], [0.0, 0.0, 80.0, 50.0]]),
        "positive": torch.tensor([True, True]),
    }
    config = find(network, (EXEMPLAR, SEARCH), [batch], loss)  # type: ignore[arg-type]
    assert 0.85 * config.baseline.macs < config.found.macs <= 0.9 * config.baseline.macs
    found = config.apply(network)
    loss(found, batch).backward()  # type: ignore[operator]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in found.parameters())


def test_only_what_leaves_the_network_is_frozen() -> None:
    for name in ("siamfc", "siamrpnpp_r18"):
        graph = trace(build_network(name), (EXEMPLAR, SEARCH))
        assert {group.reason for group in graph.frozen} <= {"the network's output"}
