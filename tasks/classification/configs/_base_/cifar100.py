"""CIFAR-100, augmented like CIFAR-10."""

_base_ = "classifier.py"

model = dict(
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor",
        mean=[0.5071, 0.4865, 0.4409],
        std=[0.2673, 0.2564, 0.2762],
        size=32,
        pad=4,
        flip=True,
    )
)
train_dataloader = dict(dataset=dict(type="cifar100", split="train"), batch_size=64)  # in total, over all devices
val_dataloader = dict(dataset=dict(type="cifar100", split="test"), batch_size=500)
experiment = dict(input=(3, 32, 32), options=dict(num_classes=100))
