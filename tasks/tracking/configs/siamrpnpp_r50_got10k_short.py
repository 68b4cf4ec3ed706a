"""SiamRPN++ with ResNet-50 on GOT-10k: 20 epochs of a twentieth of the pairs, on one GPU."""

_base_ = "siamrpnpp_r50_got10k.py"

train_dataloader = dict(dataset=dict(pairs=30000), batch_size=28, num_workers=8)
