"""Ours: 20 epochs, Adam from 5e-4 down to 0 along a cosine. With 1,000 steps an epoch, minutes on a GPU."""

optim_wrapper = dict(optimizer=dict(type="Adam", lr=5e-4))
param_scheduler = [dict(type="CosineAnnealingLR", T_max=20, convert_to_iter_based=True)]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=5)
