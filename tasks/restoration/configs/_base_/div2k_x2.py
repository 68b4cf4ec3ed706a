"""Super-resolution at scale 2, DIV2K for training; 2 pixels at the border are not scored."""

_base_ = "super_resolution.py"

train_dataloader = dict(dataset=dict(scale=2))
val_dataloader = dict(dataset=dict(scale=2))
val_evaluator = dict(border=2)
