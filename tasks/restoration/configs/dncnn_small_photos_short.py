"""A DnCNN of 7 layers of 32 channels at sigma 25 on scikit-image's photographs in gray: 600 steps, no download."""

_base_ = "_base_/denoising.py"

experiment = dict(network="dncnn_small", input=(1, 64, 64), seeds=2)
model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(sets=["photos"], held_out=["photos"], size=32, count=1_600), batch_size=16)
val_dataloader = dict(dataset=dict(sets=["photos"], sigma=25))
optim_wrapper = dict(optimizer=dict(type="Adam", lr=3e-3))
param_scheduler = [dict(type="CosineAnnealingLR", T_max=6, convert_to_iter_based=True)]
train_cfg = dict(by_epoch=True, max_epochs=6, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3))
