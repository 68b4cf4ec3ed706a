"""ImageNet: random boxes of 8 to 100 % of an image, scaled to 224 pixels, and flips; evaluated on its centre."""

_base_ = "classifier.py"

model = dict(
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor",
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        size=224,
        pad=0,
        flip=True,
    )
)
train_dataloader = dict(
    dataset=dict(type="imagenet", split="train", size=224),
    batch_size=256,  # in total, over all devices
)
val_dataloader = dict(dataset=dict(type="imagenet", split="val", size=224), batch_size=250)
experiment = dict(
    input=(3, 224, 224),
    # A network of twice the width keeps twice the activations for its gradients: ResNet-50 172 MB an image, RegNetX-8GF
    # 221 MB. Batches of 256 would take 44 and 57 GB.
    shrink=dict(batch_size=32),
)
