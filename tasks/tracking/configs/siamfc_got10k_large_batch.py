"""SiamFC on GOT-10k with batches of 64 and eight times the learning rate, after a warm-up of one epoch."""

_base_ = "siamfc_got10k.py"

train_dataloader = dict(batch_size=64, num_workers=16)
optim_wrapper = dict(optimizer=dict(lr=8e-2))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type="ExponentialLR", gamma=1e-3 ** (1 / 49), begin=1, end=50, by_epoch=True),
]
