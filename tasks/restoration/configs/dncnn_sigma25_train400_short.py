"""DnCNN at sigma 25 on Train400, 20,000 steps."""

_base_ = ["_base_/denoising.py", "_base_/short_schedule.py"]

experiment = dict(network="dncnn", input=(1, 128, 128))
model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(size=40, count=128_000), batch_size=128)
val_dataloader = dict(dataset=dict(sigma=25))
