"""SiamRPN++ with ResNet-18 on composed sequences, no download: 10 epochs of 100 steps, for a GPU."""

_base_ = ["_base_/siamrpnpp.py", "_base_/composed.py"]

experiment = dict(network="siamrpnpp_r18")
model = dict(data_preprocessor=dict(shift=64, scale=0.18, negative=0.2))
train_dataloader = dict(dataset=dict(pairs=1600), batch_size=16)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.005, momentum=0.9, weight_decay=1e-4), clip_grad=dict(max_norm=10))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.2, begin=0, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="ExponentialLR", gamma=0.1 ** (1 / 9), begin=1, end=10, by_epoch=True),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
