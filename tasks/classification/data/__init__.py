"""Data sets for classification. Small ones lie in memory as uint8 images, large ones are decoded as they are needed."""

from tasks.classification.data.cifar import cifar10, cifar100
from tasks.classification.data.digits import digits
from tasks.classification.data.folders import image_folder
from tasks.classification.data.imagenet import imagenet
from tasks.classification.data.tiny_imagenet import tiny_imagenet

__all__ = ["cifar10", "cifar100", "digits", "image_folder", "imagenet", "tiny_imagenet"]
