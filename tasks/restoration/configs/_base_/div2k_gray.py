"""Gray images with Gaussian noise, DIV2K for training; sigma is left open."""

_base_ = "denoising.py"

train_dataloader = dict(dataset=dict(sets=["DIV2K"], on_disk=True))
