"""Pairs from still images (BSDS500's), two augmentations of one box; tested on real sequences of OTB and VOT."""

_base_ = "siamfc.py"

train_dataloader = dict(
    dataset=dict(type="stills", folder="restoration/BSDS500_train", pairs=800, boxes=8), batch_size=8, num_workers=2
)
val_dataloader = dict(dataset=dict(type="benchmark", name=["OTB", "VOT"]), batch_size=1)
model = dict(data_preprocessor=dict(shift=24, scale=0.15, colour=0.3))
optim_wrapper = dict(optimizer=dict(type="SGD", lr=1e-2, momentum=0.9, weight_decay=5e-4))
