"""The task's own config, with an arm of the search that was chosen on other comparisons."""

_base_ = "../../../tasks/classification/configs/resnet20_digits.py"

experiment = dict(
    arms=[
        "baseline",
        "lwdna",
        "uniform",
        "random",
        "shuffled",
        dict(name="lwdna-gate-equal", criterion="gate", macs=1.0),
    ]
)
