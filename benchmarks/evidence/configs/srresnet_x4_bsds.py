"""SRResNet at scale 4 on BSDS500's training part: 4,000 steps."""

_base_ = "../../../tasks/restoration/configs/srresnet_x4_div2k_short.py"

experiment = dict(network="srresnet_x4")
train_dataloader = dict(dataset=dict(sets=["BSDS500"], on_disk=False, held_out=["Set5", "Set14"], scale=4, count=3_200))
val_dataloader = dict(dataset=dict(sets=["Set5", "Set14"], scale=4))
val_evaluator = dict(border=4)
