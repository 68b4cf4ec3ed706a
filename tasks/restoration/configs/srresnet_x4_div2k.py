"""SRResNet at scale 4 by DHP's recipe: 604,000 steps of 16 patches."""

_base_ = ["_base_/div2k_x4.py", "_base_/dhp_schedule.py"]

experiment = dict(network="srresnet_x4", input=(3, 128, 128))
train_dataloader = dict(dataset=dict(size=96, count=32_208), batch_size=16)
