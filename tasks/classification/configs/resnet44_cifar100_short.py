"""ResNet-44 on CIFAR-100: 30 epochs."""

_base_ = ["_base_/cifar100.py", "_base_/cifar_30.py"]

experiment = dict(network="cifar_resnet44")
