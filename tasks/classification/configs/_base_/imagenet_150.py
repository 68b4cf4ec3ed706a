"""150 epochs of SGD, from 0.1 along a cosine to 0; for batches of 256."""

optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="CosineAnnealingLR", T_max=150)]
train_cfg = dict(by_epoch=True, max_epochs=150, val_interval=5)
