"""The recipe of 300 epochs in 30: SGD at 0.1, a tenth of it from epochs 15 and 22."""

optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[15, 22], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=30, val_interval=5)
