"""What all SiamFC experiments share: the wrapper, the loss, the tracker, the scores, the arms."""

model = dict(
    type="tasks.tracking.model.SiameseTracker",
    data_preprocessor=dict(type="tasks.tracking.model.PairPreprocessor"),
    loss="tasks.tracking.siamfc:loss",
    tracker=dict(
        type="tasks.tracking.siamfc:SiamFCTracker",
        scale_num=3,
        scale_step=1.0375,
        scale_lr=0.59,
        scale_penalty=0.9745,
        window_influence=0.176,
        response_up=16,
    ),
)
val_cfg = dict()
val_evaluator = dict(type="tasks.tracking.metrics.TrackingScores")
default_hooks = dict(checkpoint=dict(interval=1))  # in epochs
experiment = dict(
    network="siamfc",
    input=[(3, 127, 127), (3, 255, 255)],
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
