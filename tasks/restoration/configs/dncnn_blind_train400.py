"""DnCNN-B, one network for noise from sigma 0 to 55: 400 gray images at four sizes, 540,000 steps of 128 patches."""

_base_ = ["_base_/denoising.py", "_base_/dncnn_schedule.py"]

experiment = dict(network="dncnn_blind", input=(1, 128, 128))
model = dict(data_preprocessor=dict(loss="mse", sigma=(0, 55)))
train_dataloader = dict(dataset=dict(size=50, count=384_000, rescaled=[1, 0.9, 0.8, 0.7]), batch_size=128)
val_dataloader = dict(dataset=dict(sigma=[15, 25, 50]))
