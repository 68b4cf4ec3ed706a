"""MobileNetV1 on Tiny-ImageNet: 30 epochs."""

_base_ = ["_base_/tiny_imagenet.py", "_base_/tiny_30.py"]

experiment = dict(network="tiny_mobilenetv1")
