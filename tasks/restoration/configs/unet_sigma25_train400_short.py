"""DHP's UNet at sigma 25 on Train400, 20,000 steps."""

_base_ = ["_base_/denoising.py", "_base_/short_schedule.py"]

experiment = dict(network="unet_denoiser", input=(1, 128, 128))
model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(size=128, count=16_000), batch_size=16)
val_dataloader = dict(dataset=dict(sigma=25))
