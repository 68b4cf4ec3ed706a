"""Augmentation, accuracy, and the networks against what their paper says."""

from __future__ import annotations

import itertools

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.compare.task import find_task
from lwdna_core.networks import build_network
from tasks.classification.metrics import Accuracy
from tasks.classification.model import ImageClassifier, ImagePreprocessor
from tasks.classification.networks.resnet import cifar_resnet20

PREPROCESSOR = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "size": 8, "pad": 2}


def images(count: int) -> dict[str, torch.Tensor]:
    """Images without black pixels, so that padding can be told from them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(1, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return {"inputs": inputs, "labels": torch.arange(count)}


def restored(outputs: torch.Tensor) -> torch.Tensor:
    """The uint8 images that a preprocessor normalised."""
    mean, std = (torch.tensor(PREPROCESSOR[key]).view(-1, 1, 1) for key in ("mean", "std"))
    return ((outputs * std + mean) * 255).round().to(torch.uint8)


def test_evaluation_normalises_and_nothing_else() -> None:
    data = images(4)
    out = ImagePreprocessor(**PREPROCESSOR, flip=True)(data, training=False)
    assert torch.equal(restored(out["inputs"]), data["inputs"])
    assert torch.equal(out["labels"], data["labels"])


@pytest.mark.parametrize("flip", [False, True])
def test_training_crops_every_image_from_its_padded_self_and_flips_where_asked(flip: bool) -> None:
    data = images(64)
    torch.manual_seed(0)
    out = restored(ImagePreprocessor(**PREPROCESSOR, flip=flip)(data, training=True)["inputs"])
    padded = nn.functional.pad(data["inputs"], (2, 2, 2, 2))
    places = []
    for image, source in zip(out, padded, strict=True):
        windows = [
            (y, x, mirrored)
            for y, x, mirrored in itertools.product(range(5), range(5), (False, True))
            if torch.equal(image.flip(2) if mirrored else image, source[:, y : y + 8, x : x + 8])
        ]
        assert len(windows) == 1
        places += windows
    assert len({(y, x) for y, x, _ in places}) > 10
    share = sum(mirrored for _, _, mirrored in places) / len(places)
    assert (0.3 < share < 0.7) if flip else share == 0


def test_augmentation_follows_torchs_seed() -> None:
    preprocessor = ImagePreprocessor(**PREPROCESSOR, flip=True)
    outs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outs.append(preprocessor(images(8), training=True)["inputs"])
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def test_accuracy_is_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(100, 10, generator=generator), torch.randint(10, (100,), generator=generator)
    metric = Accuracy()
    for part in range(0, 100, 30):
        batch = slice(part, part + 30)
        metric.process({"labels": labels[batch]}, [{"scores": scores[batch]}])
    expected = 100 * accuracy_score(labels, scores.argmax(1))
    assert metric.evaluate(100) == {"accuracy/top1": pytest.approx(expected)}


# Parameters of the paper's table 6; the projections of option B are a few thousand more.
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_the_networks_have_the_papers_size_and_depth(depth: int, millions: float) -> None:
    network = build_network(f"cifar_resnet{depth}")
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    projections = [weight for weight in weights if weight.shape[2:] == (1, 1)]
    params = sum(p.numel() for p in network.parameters()) - sum(weight.numel() for weight in projections)
    assert params / 1e6 == pytest.approx(millions, rel=0.03)
    assert len(weights) - len(projections) == depth


def test_resnet20_costs_what_it_should() -> None:
    with FlopCounterMode(display=False) as counter:
        out = cifar_resnet20()(torch.zeros(1, 3, 32, 32))
    assert out.shape == (1, 10)
    assert counter.get_total_flops() == 2 * (40_551_040 + 2 * 131_072)  # two projections of 131,072 MACs each


def test_initialisation_has_hes_variance_and_resets_everything() -> None:
    network = cifar_resnet20()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 3)
    network.bn1.running_mean.fill_(3)
    network.init_weights()
    weight = network.layer3[1].conv1.weight.detach()
    assert float(weight.var()) == pytest.approx(2 / (64 * 9), rel=0.05)
    assert float(network.bn1.running_mean.abs().max()) == 0
    assert torch.equal(network.bn1.weight.detach(), torch.ones(16))


def test_the_wrapper_leaves_the_networks_weights_alone() -> None:
    network = cifar_resnet20()
    before = network.fc.weight.clone()
    preprocessor = {"type": "tasks.classification.model.ImagePreprocessor", **PREPROCESSOR, "flip": True}
    model = ImageClassifier(network, preprocessor)
    model.init_weights()
    assert torch.equal(network.fc.weight, before)


def test_the_plug_leads_to_what_it_names() -> None:
    task = find_task("classification")
    assert set(task.defaults) <= set(task.configs())
    for name in task.networks:
        assert isinstance(build_network(name), nn.Module)
