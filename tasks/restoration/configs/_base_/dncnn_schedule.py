"""DnCNN's: 180 epochs, Adam at 1e-3, a fifth of it from epochs 30, 60 and 90 each."""

optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-3))
param_scheduler = [dict(type="MultiStepLR", milestones=[30, 60, 90], gamma=0.2)]
train_cfg = dict(by_epoch=True, max_epochs=180, val_interval=10)
