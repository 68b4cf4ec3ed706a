"""Image classification: the plug that `lwdna compare classification` finds."""

from lwdna_core.compare.task import Metric, Task

_NETWORKS = {
    "resnet": (
        "cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110", "cifar_resnet164",
        "cifar_wrn28_10", "cifar_wrn40_4", "cifar_resnext29_32x4d", "cifar_resnext29_8x64d",
        "resnet18", "resnet34", "resnet50", "resnet101",
    ),
    "densenet": ("cifar_densenet40_12", "cifar_densenetbc100_12"),
    "vgg": ("cifar_vgg16_bn",),
    "mobilenet": ("tiny_mobilenetv1", "mobilenetv1"),
    "inverted_residual": (
        "cifar_mobilenetv2", "cifar_efficientnet_b0",
        "tiny_mobilenetv2", "tiny_mobilenetv3_large", "tiny_mobilenetv3_small", "tiny_mnasnet", "tiny_efficientnet_b0",
        "mobilenetv2", "mobilenetv3_large", "mobilenetv3_small", "mnasnet", "efficientnet_b0",
    ),
    "regnet": (
        *(f"cifar_regnet{kind}_{size}mf" for kind in "xy" for size in (200, 400, 600, 800)),
        *(f"tiny_regnet{kind}_{size}mf" for kind in "xy" for size in (200, 400)),
        *(f"regnet{kind}_{size}mf" for kind in "xy" for size in (200, 400, 600, 800)),
        "regnetx_4gf", "regnetx_8gf",
    ),
}  # fmt: skip

task = Task(
    name="classification",
    package=__name__,
    defaults=("resnet20_digits",),
    metrics={
        "accuracy/top1": Metric(unit="%", higher_is_better=True),
        "accuracy/top5": Metric(unit="%", higher_is_better=True),
        "loss/val": Metric(unit="nats", higher_is_better=False),
    },
    datasets={
        name: f"{__name__}.data:{name}"
        for name in ("digits", "cifar10", "cifar100", "tiny_imagenet", "imagenet", "image_folder")
    },
    networks={name: f"{__name__}.networks.{module}:{name}" for module, names in _NETWORKS.items() for name in names},
    loss=f"{__name__}.model:loss",
    sources=f"{__name__}.sources:SOURCES",
    pictures=f"{__name__}.pictures:pictures",
    commands={"predict": f"{__name__}.predict"},
)
