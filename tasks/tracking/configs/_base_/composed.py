"""Sequences composed from scikit-image's photographs, no download; OTB's and VOT's as well, where they are at hand."""

train_dataloader = dict(dataset=dict(type="composed", split="train", sequences=60, pairs=320), batch_size=8)
val_dataloader = dict(dataset=dict(type="composed", split="test", sequences=4, length=36, real=True), batch_size=1)
