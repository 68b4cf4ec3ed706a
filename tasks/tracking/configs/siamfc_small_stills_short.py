"""SiamFC of a quarter of its width on pairs from still images, tested on real sequences: 1,000 steps."""

_base_ = "_base_/stills.py"

experiment = dict(network="siamfc_small")
param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 10), by_epoch=True)]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
