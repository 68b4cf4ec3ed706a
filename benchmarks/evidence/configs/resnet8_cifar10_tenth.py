"""ResNet-8 on CIFAR-10, 12 epochs: with a tenth of the images, minutes on a CPU core."""

_base_ = "../../../tasks/classification/configs/_base_/cifar10.py"

experiment = dict(
    network="tasks.classification.networks.resnet:CifarResNet",
    options=dict(blocks=1),
    arms=[
        "baseline",
        "lwdna",
        "uniform",
        "random",
        "shuffled",
        dict(name="lwdna-floor0.2", floor=0.2),
        dict(name="lwdna-floor0.3", floor=0.3),
        dict(name="lwdna-floor0.45", floor=0.45),
        # the floors of widths 1.5 and 3 are those of width 2 as shares of the baseline's channels: 0.8 and 0.9
        dict(name="lwdna-width1.5", width=1.5, floor=0.8 / 1.5, classifier_floor=0.9 / 1.5),
        dict(name="lwdna-width3", width=3.0, floor=0.8 / 3, classifier_floor=0.9 / 3),
        dict(name="lwdna-noclassifier", classifier=False),
        dict(name="lwdna-hypernet", criterion="hypernet"),
        dict(name="lwdna-value", criterion="value"),
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
        dict(name="lwdna-magnitude", criterion="magnitude", batches=20),
        dict(name="lwdna-align8", align=8),
    ],
    seeds=3,
)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[6, 9], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=12, val_interval=12)
