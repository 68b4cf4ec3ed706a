"""RegNetX-200MF on Tiny-ImageNet: 220 epochs."""

_base_ = ["_base_/tiny_imagenet.py", "_base_/tiny_220.py"]

experiment = dict(network="tiny_regnetx_200mf")
