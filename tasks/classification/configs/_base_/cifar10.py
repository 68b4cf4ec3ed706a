"""CIFAR-10 with the augmentation of He et al.: crops from 4 padded pixels, and flips."""

_base_ = "classifier.py"

model = dict(
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor",
        mean=[0.4914, 0.4822, 0.4465],
        std=[0.2470, 0.2435, 0.2616],
        size=32,
        pad=4,
        flip=True,
    )
)
train_dataloader = dict(dataset=dict(type="cifar10", split="train"), batch_size=64)  # in total, over all devices
val_dataloader = dict(dataset=dict(type="cifar10", split="test"), batch_size=500)
experiment = dict(input=(3, 32, 32))
