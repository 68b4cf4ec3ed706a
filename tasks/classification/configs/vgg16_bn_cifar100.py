"""VGG-16-BN on CIFAR-100: 300 epochs."""

_base_ = ["_base_/cifar100.py", "_base_/cifar_300.py"]

experiment = dict(network="cifar_vgg16_bn")
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
