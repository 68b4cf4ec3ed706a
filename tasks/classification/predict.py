"""Class names and probabilities of images, by the network of a finished run."""

from __future__ import annotations

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

from lwdna_core.commands.options import count, usable_device
from lwdna_core.errors import LwdnaError

_CUT = ("imagenet", "image_folder")
"""Sets whose test images are cut and resized as they are read."""
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="INPUT", help="an image, or a folder of images")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="receives predictions.csv and .json")
    parser.add_argument(
        "--top", type=count, default=5, metavar="N", help="classes of each image (default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=count, default=64, metavar="N", help="default: %(default)s")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def run(args: argparse.Namespace) -> int:
    files = _files(args.input)

    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS

    from lwdna_core.compare.protocol import check_network
    from lwdna_core.compare.results import read_json
    from lwdna_core.compare.run_folder import read_run
    from lwdna_core.export import load
    from tasks.classification.metrics import CLASSES

    result = read_run(args.run_folder)
    check_network(result, args.run_folder)
    cfg = Config(result["protocol"]["config"])  # the run's own, whatever has become of its file
    classes = read_json(args.run_folder / CLASSES)["classes"]
    device = usable_device(args.device)
    network = load(args.run_folder).to(device)
    preprocessor = MODELS.build(cfg.model.data_preprocessor).to(device)
    tested = cfg.val_dataloader.dataset
    cut = tested.type in _CUT  # to the box of their evaluation, which may be larger than the training's
    size = tested.get("size", 224) if cut else preprocessor.size
    central = cut or size >= 128
    rows: list[dict[str, Any]] = []
    for start in range(0, len(files), args.batch_size):
        batch = files[start : start + args.batch_size]
        images = torch.stack([_read(file, size, central) for file in batch])
        with torch.inference_mode():
            inputs = preprocessor({"inputs": images, "labels": torch.zeros(len(batch))})["inputs"]
            probabilities, order = network(inputs).float().softmax(1).topk(min(args.top, len(classes)))
        for file, values, indices in zip(batch, probabilities.tolist(), order.tolist(), strict=True):
            found = [{"class": classes[i], "probability": value} for i, value in zip(indices, values, strict=True)]
            rows.append({"image": str(file), "classes": found})
    _write(args.out, rows)
    for row in rows[:20]:
        best = row["classes"][0]
        print(f"{row['image']}: {best['class']} ({best['probability']:.1%})")
    print(f"{len(rows)} image{'s' * (len(rows) != 1)}: {args.out / 'predictions.csv'}")
    return 0


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise LwdnaError(f"{path}: there is no such image or folder")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise LwdnaError(f"{path}: no images in it ({', '.join(IMAGES)})")
    return files


def _read(file: Path, size: int, central: bool) -> Any:
    """(3, size, size), uint8: the central square, or the part of it that the evaluation of image files sees."""
    import torch

    from tasks.classification.data.decode import Box, central_box, cut_out, decode

    data = file.read_bytes()
    try:
        height, width = decode(data).shape[:2]
        side = min(height, width)
        whole = Box((height - side) / 2, (width - side) / 2, side, side)
        box = central_box(height, width) if central else whole
        return torch.from_numpy(cut_out(data, box, (height, width), size)).permute(2, 0, 1)
    except ValueError as error:
        raise LwdnaError(f"{file}: {error}") from error


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".predictions.{os.getpid()}"
    with aside.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "rank", "class", "probability"])
        for row in rows:
            for rank, found in enumerate(row["classes"], 1):
                writer.writerow([row["image"], rank, found["class"], f"{found['probability']:.6f}"])
    os.replace(aside, folder / "predictions.csv")
    aside.write_text(json.dumps(rows, indent=1) + "\n")
    os.replace(aside, folder / "predictions.json")
