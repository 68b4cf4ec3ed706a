"""What all image classifiers share: the wrapper around the network, the metric, the arms."""

model = dict(type="tasks.classification.model.ImageClassifier")
val_cfg = dict()
val_evaluator = dict(type="tasks.classification.metrics.Accuracy")
default_hooks = dict(checkpoint=dict(interval=1))  # in epochs
experiment = dict(
    shrink=dict(
        macs=0.9,  # budget, relative to the baseline
        width=2.0,
        criterion="gradient",
        floor=0.4,  # share of its widened channels that a group keeps: the most influential setting
        classifier_floor=0.45,
        batches=2,
    ),
    arms=["baseline", "lwdna"],
    seeds=3,
)
