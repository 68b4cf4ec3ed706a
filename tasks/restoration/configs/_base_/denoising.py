"""Gray images with Gaussian noise, Train400 for training, Set12 and BSD68 for testing; sigma is left open."""

_base_ = "restorer.py"

train_dataloader = dict(
    dataset=dict(
        type="patches", sets=["Train400"], colours=1, on_disk=False, held_out=["BSD68", "Set12"], strict_overlap=False
    )
)
val_dataloader = dict(dataset=dict(type="images", sets=["BSD68", "Set12"], colours=1), batch_size=1)
val_evaluator = dict(border=0)
