"""Super-resolution at scale 3, DIV2K for training; 3 pixels at the border are not scored."""

_base_ = "super_resolution.py"

train_dataloader = dict(dataset=dict(scale=3))
val_dataloader = dict(dataset=dict(scale=3))
val_evaluator = dict(border=3)
