"""Any set in the layout <folder>/train/<class>/*.jpg and <folder>/val/<class>/*.jpg, augmented like ImageNet.

`folder` is absolute or below the data folder. Its own are given on the command line, with the number of its classes:

    --cfg-options train_dataloader.dataset.folder=flowers val_dataloader.dataset.folder=flowers
                  experiment.options.num_classes=102
"""

_base_ = "imagenet.py"

train_dataloader = dict(dataset=dict(type="image_folder", folder="images"))
val_dataloader = dict(dataset=dict(type="image_folder", folder="images"))
