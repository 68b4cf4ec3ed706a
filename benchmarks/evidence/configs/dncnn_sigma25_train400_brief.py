"""DnCNN at sigma 25 on Train400: 4,000 steps."""

_base_ = "../../../tasks/restoration/configs/dncnn_sigma25_train400_short.py"

model = dict(data_preprocessor=dict(sigma=25))
train_dataloader = dict(dataset=dict(count=25_600))
val_dataloader = dict(dataset=dict(sigma=25))
