"""RegNetY-400MF on ImageNet: 30 epochs."""

_base_ = ["_base_/imagenet.py", "_base_/imagenet_30.py"]

experiment = dict(network="regnety_400mf")
