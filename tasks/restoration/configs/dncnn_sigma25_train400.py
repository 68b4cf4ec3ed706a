"""DnCNN at sigma 25 as its authors train it: 400 gray images at four sizes, squared error, 335,000 steps of 128."""

_base_ = ["_base_/denoising.py", "_base_/dncnn_schedule.py"]

experiment = dict(network="dncnn", input=(1, 128, 128))
model = dict(data_preprocessor=dict(loss="mse", sigma=25))
train_dataloader = dict(dataset=dict(size=40, count=238_336, rescaled=[1, 0.9, 0.8, 0.7]), batch_size=128)
val_dataloader = dict(dataset=dict(sigma=25))
