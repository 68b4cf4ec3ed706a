"""DnCNN of 20 layers for colour images at sigma 25: 400 colour images, otherwise as dncnn_sigma25_train400."""

_base_ = ["_base_/denoising.py", "_base_/dncnn_schedule.py"]

experiment = dict(network="dncnn_colour", input=(3, 128, 128))
model = dict(data_preprocessor=dict(loss="mse", sigma=25))
train_dataloader = dict(
    dataset=dict(
        sets=["BSD400"], colours=3, size=50, count=238_336, rescaled=[1, 0.9, 0.8, 0.7],
        held_out=["CBSD68", "Kodak24", "McMaster"],
    ),
    batch_size=128,
)  # fmt: skip
val_dataloader = dict(dataset=dict(sets=["CBSD68", "Kodak24", "McMaster"], colours=3, sigma=25))
val_evaluator = dict(convention="rgb")
