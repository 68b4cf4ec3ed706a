"""SiamFC of a quarter of its width on pairs from still images (BSDS500's), tested on OTB's and VOT's sequences."""

_base_ = "_base_/siamfc.py"

experiment = dict(network="siamfc_small")
train_dataloader = dict(
    dataset=dict(type="stills", folder="restoration/BSDS500_train", pairs=800, boxes=4), batch_size=8, num_workers=2
)
val_dataloader = dict(dataset=dict(type="benchmark", name="OTB"), batch_size=1)
model = dict(data_preprocessor=dict(shift=24, scale=0.15, colour=0.3))
optim_wrapper = dict(optimizer=dict(type="SGD", lr=1e-2, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 10), by_epoch=True)]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=10)
