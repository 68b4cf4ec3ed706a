"""EfficientNet-B0 on CIFAR-10: 300 epochs."""

_base_ = ["_base_/cifar10.py", "_base_/cifar_300.py"]

experiment = dict(network="cifar_efficientnet_b0")
