"""Where the tracking sets come from and where they lie: what `lwdna data` reads."""

from __future__ import annotations

from lwdna_core.data.sources import Download, Source

_OTB = (
    "Basketball", "Biker", "Bird1", "Bird2", "BlurBody", "BlurCar1", "BlurCar2", "BlurCar3", "BlurCar4", "BlurFace",
    "BlurOwl", "Board", "Bolt", "Bolt2", "Box", "Boy", "Car1", "Car2", "Car24", "Car4", "CarDark", "CarScale",
    "ClifBar", "Coke", "Couple", "Coupon", "Crossing", "Crowds", "Dancer", "Dancer2", "David", "David2", "David3",
    "Deer", "Diving", "Dog", "Dog1", "Doll", "DragonBaby", "Dudek", "FaceOcc1", "FaceOcc2", "Fish", "FleetFace",
    "Football", "Football1", "Freeman1", "Freeman3", "Freeman4", "Girl", "Girl2", "Gym", "Human2", "Human3",
    "Human4", "Human5", "Human6", "Human7", "Human8", "Human9", "Ironman", "Jogging", "Jump", "Jumping", "KiteSurf",
    "Lemming", "Liquor", "Man", "Matrix", "Mhyang", "MotorRolling", "MountainBike", "Panda", "RedTeam", "Rubik",
    "Shaking", "Singer1", "Singer2", "Skater", "Skater2", "Skating1", "Skating2", "Skiing", "Soccer", "Subway",
    "Surfer", "Suv", "Sylvester", "Tiger1", "Tiger2", "Toy", "Trans", "Trellis", "Twinnings", "Vase", "Walking",
    "Walking2", "Woman",
)  # fmt: skip
"""98 folders; Jogging and Skating2 hold two targets each."""

_LASOT = (
    "airplane", "basketball", "bear", "bicycle", "bird", "boat", "book", "bottle", "bus", "car", "cat", "cattle",
    "chameleon", "coin", "crab", "crocodile", "cup", "deer", "dog", "drone", "electricfan", "elephant", "flag",
    "fox", "frog", "gametarget", "gecko", "giraffe", "goldfish", "gorilla", "guitar", "hand", "hat", "helmet",
    "hippo", "horse", "kangaroo", "kite", "leopard", "licenseplate", "lion", "lizard", "microphone", "monkey",
    "motorcycle", "mouse", "person", "pig", "pool", "rabbit", "racing", "robot", "rubicCube", "sepia", "shark",
    "sheep", "skateboard", "spider", "squirrel", "surfboard", "swing", "tank", "tiger", "train", "truck", "turtle",
    "umbrella", "volleyball", "yoyo", "zebra",
)  # fmt: skip

SOURCES = (
    Source(
        name="OTB100",
        summary="100 targets in 98 sequences, 59,000 frames, for testing; those that are there are used",
        paths=("OTB/*/groundtruth_rect*.txt",),
        files=tuple(Download(f"http://cvlab.hanyang.ac.kr/tracker_benchmark/seq/{name}.zip", "OTB") for name in _OTB),
        counts={"OTB/*/img": 98},
        homepage="http://cvlab.hanyang.ac.kr/tracker_benchmark/datasets.html",
    ),
    Source(
        name="VOT2018",
        summary="60 short sequences with rotated boxes, 21,356 frames, for testing",
        paths=("VOT/*/groundtruth.txt",),
        counts={"VOT/*/groundtruth.txt": 60},
        homepage="https://www.votchallenge.net/vot2018/dataset.html",
        login="VOT's own toolkit loads it (`vot initialize vot2018`): put its sequences into `VOT`.",
    ),
    Source(
        name="GOT-10k",
        summary="9,335 sequences of 1.4 million frames for training, 180 for validation",
        paths=("GOT-10k/train", "GOT-10k/val"),
        counts={"GOT-10k/train/*/groundtruth.txt": 9335, "GOT-10k/val/*/groundtruth.txt": 180},
        homepage="http://got-10k.aitestunion.com/",
        licence="CC BY-NC-SA 4.0",
        login="GOT-10k is given to who registers at http://got-10k.aitestunion.com/downloads: unpack its parts so that "
        "GOT-10k/train/GOT-10k_Train_000001/groundtruth.txt is there.",
    ),
    Source(
        name="ImageNet-VID",
        summary="3,862 sequences of 30 classes, 1.1 million frames, for training; every object is a target",
        paths=("ILSVRC2015/Data/VID/train", "ILSVRC2015/Annotations/VID/train"),
        counts={"ILSVRC2015/Annotations/VID/train/*/*": 3862},
        homepage="https://image-net.org/challenges/LSVRC/2015/",
        licence="non-commercial research and education",
        login="ImageNet is given to who registers at image-net.org: unpack ILSVRC2015_VID.tar.gz so "
        "that ILSVRC2015/Data/VID/train and ILSVRC2015/Annotations/VID/train are there.",
    ),
    Source(
        name="LaSOT",
        summary="1,400 sequences of 70 categories, 3.5 million frames",
        paths=tuple(f"LaSOT/{name}" for name in ("airplane", "zebra")),
        files=tuple(
            Download(f"https://huggingface.co/datasets/l-lt/LaSOT/resolve/main/{name}.zip", f"LaSOT/{name}")
            for name in _LASOT
        ),
        counts={"LaSOT/*/*/groundtruth.txt": 1400},
        homepage="http://vision.cs.stonybrook.edu/~lasot/",
    ),
)
