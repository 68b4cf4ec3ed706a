"""220 epochs of SGD at 0.1, a tenth of it from epochs 200, 205, 210 and 215; for batches of 64."""

optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[200, 205, 210, 215], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=220, val_interval=10)
