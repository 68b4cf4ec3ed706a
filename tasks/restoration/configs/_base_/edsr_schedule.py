"""EDSR's: 300 epochs, Adam at 1e-4, half of it from epoch 200. With 1,000 steps an epoch as its authors count them."""

optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[200], gamma=0.5)]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
