"""EDSR-small (8 blocks of 32 channels) at scale 2 on scikit-image's photographs: 300 steps, no download."""

_base_ = "_base_/div2k_x2.py"

experiment = dict(network="edsr_small_x2", input=(3, 64, 64), seeds=2)
train_dataloader = dict(
    dataset=dict(sets=["photos"], on_disk=False, held_out=["photos"], size=48, count=800), batch_size=16
)
val_dataloader = dict(dataset=dict(sets=["photos"]))
optim_wrapper = dict(optimizer=dict(type="Adam", lr=2e-3))
param_scheduler = [dict(type="CosineAnnealingLR", T_max=6, convert_to_iter_based=True)]
train_cfg = dict(by_epoch=True, max_epochs=6, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3))
