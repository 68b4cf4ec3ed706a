"""300 epochs of SGD at 0.1, a tenth of it from epochs 150 and 225; for batches of 64."""

optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[150, 225], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=10)
