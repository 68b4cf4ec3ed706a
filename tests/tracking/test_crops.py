"""Crops hold what lies at their place in the frame, whatever their size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.tracking.crops import context_side, crop, to_centre, to_corner

ROWS, COLUMNS = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
RAMP = torch.stack([COLUMNS, ROWS, torch.ones(60, 80)])[None]  # a pixel holds its own place
FIRST = torch.zeros(1, dtype=torch.long)


@settings(max_examples=40)
@given(x=st.floats(25, 54), y=st.floats(25, 34), side=st.floats(4, 40), size=st.sampled_from([5, 8, 31]))
def test_a_crop_holds_the_places_that_it_covers(x: float, y: float, side: float, size: int) -> None:
    cut = crop(RAMP, torch.zeros(1, 3), FIRST, torch.tensor([[x, y]]), torch.tensor([side]), size)[0]
    pixel = side / size
    expected = x + (torch.arange(size) - (size - 1) / 2) * pixel
    inside = (expected > 1) & (expected < 78)
    assert torch.allclose(cut[0, size // 2][inside], expected[inside], atol=1e-3)
    assert cut[0].mean().item() == pytest.approx(x, abs=1e-2)
    assert cut[1].mean().item() == pytest.approx(y, abs=1e-2)


def test_outside_the_frame_is_its_mean() -> None:
    means = torch.tensor([[5.0, 6.0, 7.0]])
    cut = crop(RAMP, means, FIRST, torch.tensor([[-50.0, -50.0]]), torch.tensor([20.0]), 9)
    assert torch.allclose(cut, means[:, :, None, None].expand_as(cut))


def test_boxes_by_centre_and_by_corner() -> None:
    # 1-based: the box of the first pixel alone
    assert to_centre(torch.tensor([1.0, 1.0, 1.0, 1.0])).tolist() == [0, 0, 1, 1]
    boxes = torch.rand(7, 4) * 100
    assert torch.allclose(to_corner(to_centre(boxes)), boxes, atol=1e-4)


def test_the_exemplar_shows_the_target_and_half_of_its_mean_side_around() -> None:
    # A square of side a: p = (a + a) / 2 = a, so the side is 2 a
    assert context_side(torch.tensor([[30.0, 30.0]])).item() == pytest.approx(60)
