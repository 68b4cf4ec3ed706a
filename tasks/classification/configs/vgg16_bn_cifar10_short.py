"""VGG-16-BN on CIFAR-10: 30 epochs."""

_base_ = ["_base_/cifar10.py", "_base_/cifar_30.py"]

experiment = dict(network="cifar_vgg16_bn")
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4))
