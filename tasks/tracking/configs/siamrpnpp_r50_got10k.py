"""SiamRPN++ with ResNet-50 on GOT-10k: 20 epochs, a warm-up of five.

The published one starts from a backbone trained on ImageNet, which stays as it is for 10 epochs and then learns at a
tenth of the rate. Here both arms start from fresh weights, so that all of the network learns from the beginning.
"""

_base_ = "_base_/siamrpnpp.py"

experiment = dict(
    network="siamrpnpp_r50",
    shrink=dict(batch_size=28),  # 0.6 GiB an image, twice as wide and with its gradients
)
model = dict(
    data_preprocessor=dict(
        shift=64, scale=0.18, exemplar_shift=4, exemplar_scale=0.05, colour=0.2, blur=0.2, negative=0.2
    ),
)
train_dataloader = dict(
    dataset=dict(type="videos", name="GOT-10k/train", pairs=600000), batch_size=224, num_workers=16
)  # the published 28 on each of 8 GPUs
val_dataloader = dict(dataset=dict(type="benchmark", name="OTB"), batch_size=1)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.005, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.2, begin=0, end=5, by_epoch=True),
    dict(type="ExponentialLR", gamma=0.1 ** (1 / 15), begin=5, end=20, by_epoch=True),
]
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=20)
