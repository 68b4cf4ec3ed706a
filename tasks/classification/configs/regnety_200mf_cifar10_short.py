"""RegNetY-200MF on CIFAR-10: 30 epochs."""

_base_ = ["_base_/cifar10.py", "_base_/cifar_30.py"]

experiment = dict(network="cifar_regnety_200mf")
