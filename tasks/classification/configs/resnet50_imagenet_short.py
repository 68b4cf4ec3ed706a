"""ResNet-50 on ImageNet: 30 epochs."""

_base_ = ["_base_/imagenet.py", "_base_/imagenet_30.py"]

experiment = dict(network="resnet50", shrink=dict(macs=0.906))  # the budget of the published command
