"""RegNetX-4GF on ImageNet: 150 epochs."""

_base_ = ["_base_/imagenet.py", "_base_/imagenet_150.py"]

experiment = dict(network="regnetx_4gf")
