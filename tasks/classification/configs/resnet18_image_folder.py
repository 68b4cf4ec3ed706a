"""ResNet-18 on a folder of images, one folder a class: 150 epochs."""

_base_ = ["_base_/image_folder.py", "_base_/imagenet_150.py"]

experiment = dict(network="resnet18")
