"""Restoration, super-resolution and denoising: the plug that `lwdna compare restoration` finds."""

from lwdna_core.compare.task import Metric, Task

_NETWORKS = {
    "edsr": tuple(f"{name}_x{scale}" for name in ("edsr", "edsr_8x128", "edsr_small") for scale in (2, 3, 4)),
    "srresnet": tuple(f"srresnet_x{scale}" for scale in (2, 3, 4)),
    "dncnn": ("dncnn", "dncnn_blind", "dncnn_colour", "dncnn_small"),
    "unet": ("unet_denoiser",),
}

task = Task(
    name="restoration",
    package=__name__,
    defaults=("edsr_small_x2_photos_short", "dncnn_small_photos_short"),
    metrics={
        "psnr/*": Metric(unit="dB", higher_is_better=True),
        "ssim/*": Metric(unit="", higher_is_better=True),
    },
    datasets={name: f"{__name__}.load:{name}" for name in ("patches", "images")},
    networks={name: f"{__name__}.networks.{module}:{name}" for module, names in _NETWORKS.items() for name in names},
    loss=f"{__name__}.model:loss",
    sources=f"{__name__}.sources:SOURCES",
    pictures=f"{__name__}.pictures:pictures",
    commands={"eval": f"{__name__}.evaluate", "predict": f"{__name__}.predict"},
    flags={
        "strict-overlap": (
            "train_dataloader.dataset.strict_overlap=True",
            "refuse training images that show a test image, instead of leaving them out",
        )
    },
)
