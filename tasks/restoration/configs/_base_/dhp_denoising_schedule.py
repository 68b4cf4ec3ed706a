"""DHP's for denoising: 60 epochs, Adam at 1e-4, a tenth of it from epoch 40. An epoch is 10,000 steps there."""

optim_wrapper = dict(optimizer=dict(type="Adam", lr=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[40], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=60, val_interval=2)
