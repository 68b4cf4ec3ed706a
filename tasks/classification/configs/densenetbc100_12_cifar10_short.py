"""DenseNet-BC-100-12 on CIFAR-10: 30 epochs."""

_base_ = ["_base_/cifar10.py", "_base_/cifar_30.py"]

experiment = dict(network="cifar_densenetbc100_12")
optim_wrapper = dict(optimizer=dict(nesterov=True))
