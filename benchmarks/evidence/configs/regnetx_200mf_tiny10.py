"""RegNetX-200MF on the 10 classes of Tiny-ImageNet that the data folder holds: 30 epochs."""

_base_ = "../../../tasks/classification/configs/regnetx_200mf_tiny_imagenet_short.py"

experiment = dict(options=dict(num_classes=10))
train_cfg = dict(val_interval=10)
