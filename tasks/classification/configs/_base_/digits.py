"""scikit-learn's digits: crops from 4 padded pixels, and no flips, which would turn digits into others."""

_base_ = "classifier.py"

model = dict(
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor",
        mean=[0.3051] * 3,
        std=[0.3229] * 3,
        size=32,
        pad=4,
        flip=False,
    )
)
train_dataloader = dict(dataset=dict(type="digits", split="train"), batch_size=50)
val_dataloader = dict(dataset=dict(type="digits", split="test"), batch_size=500)
