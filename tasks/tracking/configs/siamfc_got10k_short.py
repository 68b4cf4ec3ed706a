"""SiamFC on GOT-10k, 5 epochs of the same shape."""

_base_ = "siamfc_got10k.py"

param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 5), by_epoch=True)]
train_cfg = dict(max_epochs=5, val_interval=5)
