"""Siamese tracking: the plug that `lwdna compare tracking` finds."""

from lwdna_core.compare.task import Metric, Task

task = Task(
    name="tracking",
    package=__name__,
    defaults=("siamfc_small_composed_short",),
    metrics={
        "auc/*": Metric(unit="", higher_is_better=True),
        "precision_20/*": Metric(unit="", higher_is_better=True),
        "normalised_precision_20/*": Metric(unit="", higher_is_better=True),
        "overlap_precision_50/*": Metric(unit="", higher_is_better=True),
        "ao/*": Metric(unit="", higher_is_better=True),
        "success_rate_50/*": Metric(unit="", higher_is_better=True),
        "success_rate_75/*": Metric(unit="", higher_is_better=True),
        "eao/*": Metric(unit="", higher_is_better=True),
        "accuracy/*": Metric(unit="", higher_is_better=True),
        "robustness/*": Metric(unit="", higher_is_better=False),
        "lost/*": Metric(unit="", higher_is_better=False),
    },
    datasets={name: f"tasks.tracking.data:{name}" for name in ("composed", "videos", "stills", "benchmark")},
    networks={name: f"tasks.tracking.networks.siamfc:{name}" for name in ("siamfc", "siamfc_small")}
    | {name: f"tasks.tracking.networks.siamrpn:{name}" for name in ("siamrpnpp_r18", "siamrpnpp_r50")},
    loss="tasks.tracking.siamfc:loss",
    sources="tasks.tracking.sources:SOURCES",
    pictures="tasks.tracking.pictures:pictures",
    commands={"eval": "tasks.tracking.evaluate", "predict": "tasks.tracking.predict"},
)
