"""DHP's for super-resolution: 300 epochs, Adam at 1e-4, a tenth of it from epoch 200. An epoch is 2,013 steps there."""

optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[200], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
