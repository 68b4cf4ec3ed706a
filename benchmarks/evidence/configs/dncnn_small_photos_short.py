"""The task's own config, with the arms of other searches."""

_base_ = "../../../tasks/restoration/configs/dncnn_small_photos_short.py"

experiment = dict(
    arms=[
        "baseline",
        "lwdna",
        "uniform",
        "random",
        "shuffled",
        # the floor is that of width 2 as a share of the baseline's channels, 0.8
        dict(name="lwdna-width1.5", width=1.5, floor=0.8 / 1.5),
        dict(name="lwdna-gate", criterion="gate"),
        dict(name="lwdna-gate-per-mac", criterion="gate_per_mac"),
        dict(name="lwdna-batches16", batches=16),
        # at the baseline's own MACs, where uniform is the baseline
        dict(name="lwdna-equal", macs=1.0),
        dict(name="lwdna-gate-equal", criterion="gate", macs=1.0),
        dict(name="lwdna-gate-per-mac-equal", criterion="gate_per_mac", macs=1.0),
        # widened and shrunk again and again, by a little
        dict(name="lwdna-rounds4", rounds=4, floor=0.45),
        dict(name="lwdna-rounds4-equal", rounds=4, floor=0.45, macs=1.0),
    ],
)
