"""ResNet-20 on scikit-learn's handwritten digits, 400 for training: minutes on a CPU, no download."""

_base_ = "_base_/digits.py"

experiment = dict(network="cifar_resnet20", input=(3, 32, 32))
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[10, 15], gamma=0.1)]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=5))
