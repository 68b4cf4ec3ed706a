"""What the SiamRPN++ experiments have in place of SiamFC's loss and tracker."""

_base_ = "siamfc.py"

model = dict(
    loss="tasks.tracking.siamrpn:loss",
    tracker=dict(
        _delete_=True,
        type="tasks.tracking.siamrpn:SiamRPNTracker",
        penalty_k=0.24,  # for VOT: 0.04, 0.44, 0.33
        window_influence=0.5,
        lr=0.25,
    ),
)
