"""EDSR-baseline (16 blocks of 64 channels) at scale 3 as its authors train it: 300,000 steps of 16 patches."""

_base_ = ["_base_/div2k_x3.py", "_base_/edsr_schedule.py"]

experiment = dict(network="edsr_x3", input=(3, 128, 128))
train_dataloader = dict(dataset=dict(size=144, count=16_000), batch_size=16)
