"""EDSR-small at scale 2 on BSDS500's training part: 4,000 steps."""

_base_ = "edsr_x2_bsds.py"

experiment = dict(network="edsr_small_x2")
train_dataloader = dict(dataset=dict(size=96))
