"""EDSR-small at scale 4 on BSDS500's training part: 4,000 steps."""

_base_ = "edsr_x4_bsds.py"

experiment = dict(network="edsr_small_x4")
train_dataloader = dict(dataset=dict(size=96))
