"""DHP's UNet at sigma 25, and its recipe: DIV2K in gray, 600,000 steps of 16 patches."""

_base_ = ["_base_/div2k_gray.py", "_base_/dhp_denoising_schedule.py"]

experiment = dict(network="unet_denoiser", input=(1, 128, 128))
model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(size=128, count=160_000), batch_size=16)
val_dataloader = dict(dataset=dict(sigma=25))
