"""DnCNN at sigma 25 by DHP's recipe: DIV2K in gray, 600,000 steps of 64 patches."""

_base_ = ["_base_/div2k_gray.py", "_base_/dhp_denoising_schedule.py"]

experiment = dict(network="dncnn", input=(1, 128, 128))
model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(size=64, count=640_000), batch_size=64)
val_dataloader = dict(dataset=dict(sigma=25))
