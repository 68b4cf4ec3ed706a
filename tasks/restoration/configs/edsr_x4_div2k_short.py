"""As edsr_x4_div2k, 20,000 steps."""

_base_ = ["_base_/div2k_x4.py", "_base_/short_schedule.py"]

experiment = dict(network="edsr_x4", input=(3, 128, 128))
train_dataloader = dict(dataset=dict(size=192, count=16_000), batch_size=16)
