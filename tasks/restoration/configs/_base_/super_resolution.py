"""DIV2K for training, the usual four sets for testing; the scale is left open."""

_base_ = "restorer.py"

train_dataloader = dict(
    dataset=dict(
        type="patches",
        sets=["DIV2K"],
        on_disk=True,
        held_out=["Set5", "Set14", "BSD100", "Urban100"],
        strict_overlap=False,
    )
)
val_dataloader = dict(dataset=dict(type="images", sets=["Set5", "Set14", "BSD100", "Urban100"]), batch_size=1)
