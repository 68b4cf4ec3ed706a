"""Where the classification sets come from, with the checksums that their owners publish or that are in wide use."""

from __future__ import annotations

from lwdna_core.data.sources import Download, Source

DIGITS = Source(
    name="digits",
    summary="1,797 handwritten digits, 8x8, gray; they come with scikit-learn",
    paths=(),
    homepage="https://archive.ics.uci.edu/dataset/80",
    licence="CC BY 4.0",
)

CIFAR10 = Source(
    name="cifar10",
    summary="50,000 and 10,000 images of 10 classes, 32x32",
    paths=(*(f"cifar-10-batches-py/data_batch_{k}" for k in range(1, 6)), "cifar-10-batches-py/test_batch"),
    files=(
        Download(
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            checksum="md5:c58f30108f718f92721af3b95e74349a",
            size=170_498_071,
        ),
    ),
    checksums={
        "cifar-10-batches-py/data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "md5:634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "md5:40351d587109b95175f43aff81a1287e",
    },
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
)

CIFAR100 = Source(
    name="cifar100",
    summary="50,000 and 10,000 images of 100 classes, 32x32",
    paths=("cifar-100-python/train", "cifar-100-python/test", "cifar-100-python/meta"),
    files=(
        Download(
            url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
            size=169_001_437,
        ),
    ),
    checksums={
        "cifar-100-python/train": "md5:16019d7e3df5f24257cddd939b257f8d",
        "cifar-100-python/test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
        "cifar-100-python/meta": "md5:7973b15100ade9c7d40fb424638fde48",
    },
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
)

TINY_IMAGENET = Source(
    name="tiny_imagenet",
    summary="100,000 and 10,000 images of 200 classes, 64x64",
    paths=(
        "tiny-imagenet-200/wnids.txt",
        "tiny-imagenet-200/train",
        "tiny-imagenet-200/val/images",
        "tiny-imagenet-200/val/val_annotations.txt",
    ),
    files=(
        Download(
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            checksum="md5:90528d7ca1a48142e341f4ef8d21d0de",
            size=248_100_043,
        ),
    ),
    counts={
        "tiny-imagenet-200/train/*/images/*.JPEG": 100_000,
        "tiny-imagenet-200/val/images/*.JPEG": 10_000,
    },
    homepage="http://cs231n.stanford.edu/",
)

IMAGENET = Source(
    name="imagenet",
    summary="ILSVRC 2012: 1,281,167 and 50,000 images of 1,000 classes",
    paths=("imagenet/train", "imagenet/*val*"),  # a folder of classes, or the official archive as it is
    files=(
        Download(
            url="https://image-net.org/data/ILSVRC/2012/ILSVRC2012_img_train.tar",
            to="imagenet/train",
            checksum="md5:1d675b47d978889d74fa0da5fadfb00e",
            size=147_897_477_120,
            nested=True,
        ),
        Download(
            url="https://image-net.org/data/ILSVRC/2012/ILSVRC2012_img_val.tar",
            to="imagenet/ILSVRC2012_img_val.tar",
            unpack=False,
            checksum="md5:29b22e2961454d5413ddabcf34fc5622",
            size=6_744_924_160,
        ),
        Download(
            url="https://image-net.org/data/ILSVRC/2012/ILSVRC2012_devkit_t12.tar.gz",
            to="imagenet/ILSVRC2012_devkit_t12.tar.gz",
            unpack=False,
            checksum="md5:fa75699e90414af021442c21a62c3abf",
            size=2_568_145,
        ),
    ),
    counts={"imagenet/train/*/*.JPEG": 1_281_167},
    homepage="https://image-net.org/",
    licence="non-commercial research and education",
    login="ImageNet is given to researchers who agree to its terms, at https://image-net.org/download.",
)

SOURCES = (DIGITS, CIFAR10, CIFAR100, TINY_IMAGENET, IMAGENET)
