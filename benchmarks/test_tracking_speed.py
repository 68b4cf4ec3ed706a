"""Frames a second of SiamFC-small and its LW-DNA, with decoding and without, and training pairs a second.

CPU seconds of one thread, so that other processes disturb little.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.runner import training_loader
from lwdna_core.networks import build_network
from lwdna_core.shrink import find
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.model import PairPreprocessor
from tasks.tracking.sequences import Composed, Filmed, frames
from tasks.tracking.siamfc import SiamFCTracker, loss

HEADER = "what | baseline | LW-DNA"
FRAMES = 30


def test_frames_and_pairs_per_second(
    report: Callable[..., None], cpu_seconds: Callable[[Callable[[], object]], float], tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    experiment = load_experiment("tracking", "siamfc_small_composed_short")
    loader, prepare = training_loader(experiment, 0, "cpu"), PairPreprocessor()
    batches = [prepare(batch, training=True) for batch, _ in zip(loader, range(4), strict=False)]
    network = build_network(experiment.network)
    inputs = tuple(torch.zeros(1, *shape) for shape in experiment.inputs)
    config = find(network, inputs, batches[:2], loss)
    arms = [build_network(experiment.network), config.apply(network)]
    sequence = filmed(tmp_path)
    images = [torch.from_numpy(image).permute(2, 0, 1) for image in frames(sequence, range(FRAMES))]

    def rate(arm: torch.nn.Module, decode: bool) -> float:
        tracker = SiamFCTracker(arm.eval())

        def run() -> None:
            shown = (torch.from_numpy(f).permute(2, 0, 1) for f in frames(sequence, range(FRAMES)))
            for index, image in enumerate(shown if decode else images):
                if index:
                    tracker.update(image)
                else:
                    tracker.init(image, torch.from_numpy(sequence.boxes[0]))

        return FRAMES / min(cpu_seconds(run) for _ in range(2))

    def steps(arm: torch.nn.Module) -> float:
        optimizer = torch.optim.SGD(arm.train().parameters(), lr=1e-3)

        def run() -> None:
            for batch in batches:
                optimizer.zero_grad()
                loss(arm, batch).backward()
                optimizer.step()

        return sum(len(batch["boxes"]) for batch in batches) / cpu_seconds(run)

    for name, decode in (("frames a second, decoded before", False), ("frames a second, with decoding", True)):
        report(HEADER, name, *(f"{rate(arm, decode):.1f}" for arm in arms))
    report(HEADER, "training, pairs a second", *(f"{steps(arm):.1f}" for arm in arms))
    own = cpu_seconds(lambda: [prepare(batch, training=True) for batch, _ in zip(loader, range(4), strict=False)])
    report(HEADER, "pairs made a second, crops included", f"{4 * loader.dataset.pairs / len(loader) / own:.1f}", "")


def filmed(folder: Path) -> Filmed:
    """A composed sequence as JPEG files."""
    made, files = Composed("test", 0, FRAMES), []
    for index in range(FRAMES):
        files.append(folder / f"{index:04}.jpg")
        cv2.imwrite(str(files[-1]), np.ascontiguousarray(made.frame(index)[:, :, ::-1]))
    return Filmed("made", made.boxes, Regions.of_boxes(made.boxes), tuple(files))
