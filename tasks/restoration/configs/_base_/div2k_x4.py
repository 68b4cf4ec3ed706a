"""Super-resolution at scale 4, DIV2K for training; 4 pixels at the border are not scored."""

_base_ = "super_resolution.py"

train_dataloader = dict(dataset=dict(scale=4))
val_dataloader = dict(dataset=dict(scale=4))
val_evaluator = dict(border=4)
