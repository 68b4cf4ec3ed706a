"""SiamFC on pairs from still images, tested on real sequences: 5,000 steps, for a GPU."""

_base_ = "_base_/stills.py"

train_dataloader = dict(num_workers=8)
param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 50), by_epoch=True)]
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=50)
