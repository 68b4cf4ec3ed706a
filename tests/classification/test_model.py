"""Augmentation, and the wrapper around the network."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager

import kornia.augmentation as K
import numpy as np
import pytest
import torch
from torch import nn

from lwdna_core.compare.config import load_experiment
from lwdna_core.errors import LwdnaError
from tasks.classification.model import ImageClassifier, ImagePreprocessor
from tasks.classification.networks.resnet import cifar_resnet20

Step = Callable[[int, int], AbstractContextManager[None]]

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


@pytest.mark.parametrize(("count", "side", "pad", "flip"), [(1, 32, 4, True), (50, 32, 4, False), (7, 24, 0, True)])
def test_crops_and_flips_are_kornias_number_for_number(count: int, side: int, pad: int, flip: bool) -> None:
    inputs = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    crop = K.RandomCrop((side, side), padding=pad)
    theirs = K.AugmentationSequential(crop, *([K.RandomHorizontalFlip()] if flip else []), data_keys=["input"])
    ours = ImagePreprocessor([0.0] * 3, [1.0] * 3, size=side, pad=pad, flip=flip)
    for seed in range(3):
        torch.manual_seed(seed)
        expected, following = theirs(inputs.float() / 255), torch.rand(1)
        torch.manual_seed(seed)
        found = ours({"inputs": inputs, "labels": torch.zeros(count)}, training=True)["inputs"]
        assert torch.equal(found, expected)
        assert torch.equal(torch.rand(1), following)  # no more and no fewer are drawn
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"pad": 0, "flip": True}, {"flip": True, "cutout": 3}])
def test_what_is_drawn_ahead_is_all_that_is_random(options: dict[str, int]) -> None:
    preprocessor = ImagePreprocessor(**PREPROCESSOR | options)
    torch.manual_seed(0)
    expected = preprocessor(images(8), training=True)["inputs"]
    torch.manual_seed(0)
    drawn = preprocessor.draw(images(8))
    for _ in range(2):  # nothing is left to be drawn
        assert torch.equal(preprocessor(drawn, training=True)["inputs"], expected)
    assert preprocessor.replayable
    assert not ImagePreprocessor(**PREPROCESSOR, colour=[{"type": "RandomGrayscale"}]).replayable


def test_images_of_full_size_are_only_mirrored() -> None:
    data = images(64)
    torch.manual_seed(0)
    out = restored(ImagePreprocessor(**{**PREPROCESSOR, "pad": 0}, flip=True)(data, training=True)["inputs"])
    mirrored = [torch.equal(image, source.flip(2)) for image, source in zip(out, data["inputs"], strict=True)]
    as_they_are = [torch.equal(image, source) for image, source in zip(out, data["inputs"], strict=True)]
    assert all(a != b for a, b in zip(mirrored, as_they_are, strict=True))
    assert 20 < sum(mirrored) < 44


def test_a_crop_larger_than_the_image_is_refused() -> None:
    preprocessor = ImagePreprocessor(**{**PREPROCESSOR, "size": 13}, flip=True)
    with pytest.raises(LwdnaError, match="images of 8 x 8, padded by 2, have no crop of size 13"):
        preprocessor(images(1), training=True)


@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_blanks_a_square_around_any_pixel(side: int) -> None:
    count = 4000
    data = {"inputs": images(1)["inputs"].expand(count, 3, 8, 8), "labels": torch.zeros(count)}
    torch.manual_seed(0)
    out = ImagePreprocessor([0.1234] * 3, [0.2] * 3, size=8, cutout=side)(data, training=True)["inputs"]
    hidden = out == 0  # the mean, which no pixel has
    assert torch.equal(hidden.any(1), hidden.all(1))
    rows, columns = hidden[:, 0].any(2), hidden[:, 0].any(1)
    assert torch.equal(hidden[:, 0], rows[:, :, None] & columns[:, None, :])
    # Each row is hidden as often as a square around one of 8 centres, cut off at the edges, covers it.
    centres = np.arange(8)
    covered = [np.mean((centres - side // 2 <= k) & (k < centres - side // 2 + side)) for k in range(8)]
    for inside in (rows, columns):
        assert inside.double().mean(0).tolist() == pytest.approx(covered, abs=0.04)
    as_they_were = ((out * 0.2 + 0.1234) * 255).round().to(torch.uint8)
    assert torch.equal(as_they_were[~hidden], data["inputs"][~hidden])


def test_kornias_colours_are_applied_in_training_only() -> None:
    preprocessor = ImagePreprocessor(**PREPROCESSOR, colour=[{"type": "RandomGrayscale", "p": 1.0}])
    out = restored(preprocessor(images(4), training=True)["inputs"]).int()
    assert (out[:, 0] - out[:, 1]).abs().max() <= 1 and (out[:, 0] - out[:, 2]).abs().max() <= 1
    assert torch.equal(restored(preprocessor(images(4))["inputs"]), images(4)["inputs"])
    with pytest.raises(LwdnaError, match=r"colour: kornia\.augmentation\.RandomGreyscale: .*no attribute"):
        ImagePreprocessor(**PREPROCESSOR, colour=[{"type": "RandomGreyscale"}])


def test_the_data_are_not_changed() -> None:
    data = images(4)
    before = data["inputs"].clone()
    ImagePreprocessor(**PREPROCESSOR, flip=True, cutout=3)(data, training=True)
    ImagePreprocessor(**PREPROCESSOR)(data)
    assert torch.equal(data["inputs"], before)


@pytest.mark.parametrize("count", [6, 5])
def test_processes_augment_their_images_as_one_process_would(count: int, shared_step: Step) -> None:
    preprocessor = ImagePreprocessor(**PREPROCESSOR, flip=True, cutout=3)
    torch.manual_seed(0)
    whole = preprocessor(images(count), training=True)["inputs"]
    for rank in range(2):
        own = {name: tensor[rank::2] for name, tensor in images(count).items()}
        torch.manual_seed(0)
        with shared_step(rank, count):
            assert torch.equal(preprocessor(own, training=True)["inputs"], whole[rank::2])
    torch.manual_seed(0)  # outside a training step, as in a search, a batch is not shared
    assert torch.equal(preprocessor(images(count), training=True)["inputs"], whole)


def test_the_wrapper_leaves_the_networks_weights_alone() -> None:
    network = cifar_resnet20()
    before = network.fc.weight.clone()
    preprocessor = {"type": "tasks.classification.model.ImagePreprocessor", **PREPROCESSOR, "flip": True}
    model = ImageClassifier(network, preprocessor)
    model.init_weights()
    assert torch.equal(network.fc.weight, before)


def test_bfloat16_changes_the_arithmetic_and_not_the_data() -> None:
    torch.manual_seed(0)
    network = cifar_resnet20()
    preprocessor = {"type": "tasks.classification.model.ImagePreprocessor", **PREPROCESSOR, "flip": True}
    model = ImageClassifier(network, preprocessor)
    batches, losses = [], []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            batch = model.data_preprocessor(images(8), training=True)
            losses.append(model(**batch, mode="loss")["loss"].detach())
        batches.append(batch["inputs"])
    assert torch.equal(*batches) and batches[1].dtype == torch.float32
    assert losses[1].dtype == torch.float32
    assert 0 < abs(float(losses[1] - losses[0])) < 0.1


def test_a_network_whose_outputs_are_not_the_classes_is_refused_before_any_work() -> None:
    experiment = load_experiment("classification", "resnet20_digits", ["experiment.options.num_classes=7"])
    with pytest.raises(LwdnaError, match=r"cifar_resnet20: expected scores of shape \[1, 10\] .* shape \[1, 7\]"):
        ImageClassifier.check(experiment)
    ImageClassifier.check(load_experiment("classification", "resnet20_digits", ["experiment.options.num_classes=12"]))
    experiment = load_experiment("classification", "resnet20_digits", ["experiment.network=mobilenetv2"])
    with pytest.raises(LwdnaError, match=r"mobilenetv2: .* shape \[1, 1000\].* experiment\.options\.num_classes=10"):
        ImageClassifier.check(experiment)
