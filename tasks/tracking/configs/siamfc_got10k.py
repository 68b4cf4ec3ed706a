"""SiamFC on GOT-10k, by the recipe of its re-implementation for that set: 50 epochs, batches of 8; tested on OTB."""

_base_ = "_base_/siamfc.py"

train_dataloader = dict(
    dataset=dict(type="videos", name="GOT-10k/train", pairs=9335), batch_size=8, num_workers=8
)  # one pair a sequence
val_dataloader = dict(dataset=dict(type="benchmark", name="OTB"), batch_size=1)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=1e-2, momentum=0.9, weight_decay=5e-4))
# from 1e-2 to 1e-5, in proportion from epoch to epoch
param_scheduler = [dict(type="ExponentialLR", gamma=1e-3 ** (1 / 50), by_epoch=True)]
train_cfg = dict(by_epoch=True, max_epochs=50, val_interval=50)
