"""ResNet-164 on CIFAR-100: 300 epochs."""

_base_ = ["_base_/cifar100.py", "_base_/cifar_300.py"]

experiment = dict(network="cifar_resnet164")
