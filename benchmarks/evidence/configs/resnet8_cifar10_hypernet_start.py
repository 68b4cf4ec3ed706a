"""As resnet8_cifar10_tenth, but LW-DNA starts from the weights of the hypernetwork, as the published code does."""

_base_ = "resnet8_cifar10_tenth.py"

experiment = dict(init="hypernet")
