"""ResNeXt-29, 32x4d on CIFAR-100: 30 epochs."""

_base_ = ["_base_/cifar100.py", "_base_/cifar_30.py"]

experiment = dict(network="cifar_resnext29_32x4d")
