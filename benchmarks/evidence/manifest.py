"""What is compared: every comparison with its config, arms and seeds, in the order of its value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"
PAIR = ("baseline", "lwdna")
MAIN = (*PAIR, "uniform", "random", "shuffled")


@dataclass(frozen=True)
class Comparison:
    """Arms and seeds of one config. Several entries may share a config: their runs are of one protocol and add up.

    Attributes:
        task: whose config it is.
        config: name of a config of the task, or of a file in `configs/` beside this module, without its ending.
        title: of its section.
        arms, seeds: what is run; seeds 0 .. seeds - 1.
        fraction: share of the training set; None: all of it.
        large: for a GPU: hours on a CPU.
    """

    task: str
    config: str
    title: str
    arms: tuple[str, ...] = MAIN
    seeds: int = 3
    fraction: float | None = None
    large: bool = False

    @property
    def name(self) -> str:
        """What its results are called: entries that share them are of one protocol."""
        return self.config if self.fraction is None else f"{self.config}_fraction{self.fraction:g}"

    @property
    def source(self) -> str:
        """The config as `lwdna compare` takes it: a path below the checkout, or a name."""
        path = CONFIGS / f"{self.config}.py"
        return str(path.relative_to(Path(__file__).parents[2])) if path.exists() else self.config


CLASSIFICATION, RESTORATION, TRACKING = "classification", "restoration", "tracking"
RESNET8, RESNET20 = "resnet8_cifar10_tenth", "resnet20_cifar10_short"
TENTH = 0.1
FLOORS = ("lwdna-floor0.2", "lwdna-floor0.3", "lwdna", "lwdna-floor0.45")
WIDTHS = ("lwdna-width1.5", "lwdna", "lwdna-width3")
CRITERIA = (
    "lwdna", "lwdna-noclassifier", "lwdna-hypernet", "lwdna-gate", "lwdna-magnitude", "lwdna-value",
    "random", "shuffled",
)  # fmt: skip
AMPLITUDES = ("baseline", "mirrored", "uniform", "damped", "lwdna", "amplified", "shuffled")
SEARCHES = (
    "lwdna", "lwdna-width1.5", "lwdna-gate", "lwdna-gate-per-mac", "lwdna-batches16",
    "lwdna-equal", "lwdna-gate-equal", "lwdna-gate-per-mac-equal", "lwdna-rounds4", "lwdna-rounds4-equal",
)  # fmt: skip
CHOSEN = ("baseline", "uniform", "lwdna", "lwdna-gate-equal")
"""The search that was chosen on the comparisons named next, with what it is held against in others."""
CHOOSING = (f"{RESNET8}_fraction{TENTH:g}", "dncnn_small_photos_short")
DIGITS = "resnet20_digits"
FRACTIONS = (
    (RESNET8, "ResNet-8, CIFAR-10", (0.025, 0.05, TENTH, 0.2, 0.4)),
    (DIGITS, "ResNet-20, handwritten digits", (0.1, 0.25, 0.5, None)),
)
"""Config, what it is, and shares of its training set; None: all of it."""


def _large(task: str, config: str, title: str, seeds: int = 3) -> Comparison:
    return Comparison(task, config, title, seeds=seeds, large=True)


LARGE = (
    _large(CLASSIFICATION, RESNET20, "ResNet-20, CIFAR-10", seeds=8),
    _large(RESTORATION, "edsr_small_x2_bsds", "EDSR-small x2, BSDS500"),
    _large(RESTORATION, "dncnn_sigma25_train400_brief", "DnCNN, sigma 25, Train400"),
    _large(CLASSIFICATION, "mobilenetv2_tiny10", "MobileNetV2, 10 classes of Tiny-ImageNet"),
    _large(TRACKING, "siamfc_stills_short", "SiamFC trained on still images, real sequences"),
    _large(CLASSIFICATION, "vgg16_bn_cifar10_brief", "VGG-16-BN, CIFAR-10"),
    _large(CLASSIFICATION, "mobilenetv2_cifar10_brief", "MobileNetV2, CIFAR-10"),
    _large(CLASSIFICATION, "regnetx_200mf_tiny10", "RegNetX-200MF, 10 classes of Tiny-ImageNet"),
    _large(RESTORATION, "srresnet_x4_bsds", "SRResNet x4, BSDS500"),
    _large(RESTORATION, "dncnn_sigma50_train400_brief", "DnCNN, sigma 50, Train400"),
    _large(CLASSIFICATION, "resnet56_cifar10_brief", "ResNet-56, CIFAR-10"),
    _large(CLASSIFICATION, "densenet40_12_cifar10_brief", "DenseNet-40, CIFAR-10"),
    _large(RESTORATION, "edsr_x2_bsds", "EDSR x2, BSDS500"),
    _large(RESTORATION, "edsr_small_x4_bsds", "EDSR-small x4, BSDS500"),
    _large(RESTORATION, "srresnet_x2_bsds", "SRResNet x2, BSDS500"),
    _large(RESTORATION, "edsr_x4_bsds", "EDSR x4, BSDS500"),
    _large(CLASSIFICATION, "resnet20_cifar100_short", "ResNet-20, CIFAR-100"),
    _large(CLASSIFICATION, "vgg16_bn_cifar100_short", "VGG-16-BN, CIFAR-100"),
    _large(CLASSIFICATION, "mobilenetv2_cifar100_short", "MobileNetV2, CIFAR-100"),
    _large(CLASSIFICATION, "resnet56_cifar100_short", "ResNet-56, CIFAR-100"),
    _large(CLASSIFICATION, "densenet40_12_cifar100_short", "DenseNet-40, CIFAR-100"),
)
"""For a GPU: minutes a run."""

FIFTH = Comparison(CLASSIFICATION, RESNET20, "ResNet-20, CIFAR-10, a fifth of the images", PAIR, fraction=0.2)
COMPARISONS = (
    # On a CPU: minutes a run.
    Comparison(CLASSIFICATION, RESNET8, "ResNet-8, CIFAR-10, a tenth of the images", fraction=TENTH),
    Comparison(RESTORATION, "edsr_small_x2_photos_short", "EDSR-small x2, scikit-image's photographs"),
    Comparison(RESTORATION, "dncnn_small_photos_short", "DnCNN-small, sigma 25, scikit-image's photographs"),
    Comparison(CLASSIFICATION, DIGITS, "ResNet-20, handwritten digits", seeds=5),
    Comparison(TRACKING, "siamfc_small_composed_short", "SiamFC-small, composed sequences", seeds=5),
    FIFTH,
    Comparison(CLASSIFICATION, RESNET8, "the floor", FLOORS, 8, TENTH),
    Comparison(CLASSIFICATION, RESNET8, "more and less of LW-DNA", AMPLITUDES, 8, TENTH),
    Comparison(RESTORATION, "dncnn_small_photos_short", "more and less of LW-DNA", AMPLITUDES, 8),
    Comparison(RESTORATION, "edsr_small_x2_photos_short", "more and less of LW-DNA", AMPLITUDES, 5),
    Comparison(CLASSIFICATION, DIGITS, "more and less of LW-DNA", AMPLITUDES, 5),
    Comparison(TRACKING, "siamfc_small_composed_short", "more and less of LW-DNA", AMPLITUDES, 5),
    Comparison(CLASSIFICATION, RESNET8, "criteria", CRITERIA, 8, TENTH),
    Comparison(CLASSIFICATION, RESNET8, "the width", WIDTHS, 8, TENTH),
    Comparison(CLASSIFICATION, RESNET8, "other searches", ("baseline", "uniform", *SEARCHES), 8, TENTH),
    Comparison(RESTORATION, "dncnn_small_photos_short", "other searches", ("baseline", "uniform", *SEARCHES), 8),
    Comparison(RESTORATION, "edsr_small_x2_photos_short", "the chosen search", CHOSEN, 5),
    Comparison(CLASSIFICATION, DIGITS, "the chosen search", CHOSEN, 5),
    Comparison(TRACKING, "siamfc_small_composed_short", "the chosen search", CHOSEN, 5),
    Comparison(CLASSIFICATION, RESNET8, "channels in multiples of 8", ("lwdna-align8",), fraction=TENTH),
    Comparison(
        CLASSIFICATION,
        "resnet8_cifar10_hypernet_start",
        "ResNet-8 from the hypernetwork's weights",
        ("lwdna",),
        fraction=TENTH,
    ),
    *(
        Comparison(CLASSIFICATION, config, f"{what}, {f:.1%} of the images", PAIR, seeds, f)
        for (config, what, fractions), seeds in zip(FRACTIONS, (3, 5), strict=True)
        for f in fractions
        if f not in (TENTH if config == RESNET8 else None, None)
    ),
    Comparison(CLASSIFICATION, RESNET8, "the floor, 20,000 images", ("lwdna-floor0.2",), fraction=0.4),
    # whether LW-DNA's mirror image is as good as LW-DNA, as in the small ones, where nobody had looked yet
    replace(FIFTH, arms=("mirrored",)),
    replace(FIFTH, arms=MAIN),
    # On a GPU: what the hypothesis says of all of them before what explains it.
    *(replace(comparison, arms=PAIR) for comparison in LARGE),
    *LARGE,
)
