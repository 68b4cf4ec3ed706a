"""The recipe of 150 epochs in 30: SGD, from 0.1 along a cosine to 0."""

optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="CosineAnnealingLR", T_max=30)]
train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=5)
