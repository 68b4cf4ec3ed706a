"""SiamFC of a quarter of its width on composed sequences, 160 steps: minutes on a CPU, no download."""

_base_ = ["_base_/siamfc.py", "_base_/composed.py"]

experiment = dict(network="siamfc_small", seeds=2)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=1e-2, momentum=0.9, weight_decay=5e-4))
# from 1e-2 to 1e-5, in proportion from epoch to epoch
param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 4), by_epoch=True)]
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=4)
