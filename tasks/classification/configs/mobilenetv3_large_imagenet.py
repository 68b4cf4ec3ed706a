"""MobileNetV3-Large on ImageNet: 150 epochs."""

_base_ = ["_base_/imagenet.py", "_base_/imagenet_150.py"]

experiment = dict(network="mobilenetv3_large")
