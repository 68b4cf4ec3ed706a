"""Tiny-ImageNet with flips, which the published code means to have and leaves out (its flag is inverted)."""

_base_ = "classifier.py"

model = dict(
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor",
        mean=[0.4802, 0.4481, 0.3975],
        std=[0.2770, 0.2691, 0.2821],
        size=64,
        pad=0,
        flip=True,
    )
)
train_dataloader = dict(dataset=dict(type="tiny_imagenet", split="train"), batch_size=64)  # in total, over all devices
val_dataloader = dict(dataset=dict(type="tiny_imagenet", split="val"), batch_size=500)
experiment = dict(input=(3, 64, 64))
