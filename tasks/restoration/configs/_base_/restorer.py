"""What all restoration networks share: the wrapper around the network, the metric, the arms."""

model = dict(
    type="tasks.restoration.model.Restorer",
    data_preprocessor=dict(type="tasks.restoration.model.RestorationPreprocessor", loss="l1"),
    tile=1024,  # larger images are restored tile by tile
    ensemble=False,
)
val_cfg = dict()
val_evaluator = dict(type="tasks.restoration.metrics.RestorationQuality", convention="y")
default_hooks = dict(checkpoint=dict(interval=1))  # in epochs
experiment = dict(
    shrink=dict(
        macs=0.9,  # budget, relative to the baseline
        width=2.0,
        criterion="gradient",
        floor=0.4,  # share of its widened channels that a group keeps: the most influential setting
        batches=2,
    ),
    arms=["baseline", "lwdna"],
    seeds=3,
)
