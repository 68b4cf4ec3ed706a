"""MobileNetV3-Large on Tiny-ImageNet: 220 epochs."""

_base_ = ["_base_/tiny_imagenet.py", "_base_/tiny_220.py"]

experiment = dict(network="tiny_mobilenetv3_large")
