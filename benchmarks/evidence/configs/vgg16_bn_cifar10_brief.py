"""VGG-16-BN on CIFAR-10: 12 epochs in batches of 128, 4,692 steps."""

_base_ = "../../../tasks/classification/configs/vgg16_bn_cifar10_short.py"

train_dataloader = dict(batch_size=128)
param_scheduler = [dict(type="MultiStepLR", milestones=[6, 9], gamma=0.1)]
train_cfg = dict(max_epochs=12, val_interval=12)
