"""Image classification: the plug that `lwdna compare classification` finds."""

from lwdna_core.compare.task import Metric, Task

task = Task(
    name="classification",
    package=__name__,
    defaults=("resnet20_digits",),
    metrics={"accuracy/top1": Metric(unit="%", higher_is_better=True)},
    datasets={
        "digits": "tasks.classification.data:digits",
        "cifar10": "tasks.classification.data:cifar10",
    },
    networks={
        f"cifar_resnet{depth}": f"tasks.classification.networks.resnet:cifar_resnet{depth}"
        for depth in (20, 32, 44, 56, 110)
    },
    loss="tasks.classification.model:loss",
)
