"""Restore images: what the run's network makes of every image, as PNG files of the same names.

A network for colour images gets a gray one three times over, and gives a gray one back; one for gray images restores
the channels of a colour image one by one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lwdna_core.commands.options import count, usable_device
from lwdna_core.errors import LwdnaError

if TYPE_CHECKING:
    from torch import Tensor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", metavar="INPUT", type=Path, help="a folder of images, or one image")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the restored images; made where it is missing",
    )
    add(
        "--tile",
        type=count,
        default=1024,
        metavar="N",
        help="side of the tiles of larger images (default: %(default)s)",
    )
    add("--ensemble", action="store_true", help="mean over the eight ways to turn and mirror an image: 8 times slower")
    add("--device", help="torch's name of the device (default: cuda where there is one)")


def run(args: argparse.Namespace) -> int:
    from tasks.restoration.images import image_files, read_image, write_image

    device = usable_device(args.device)
    paths = [args.input] if args.input.is_file() else image_files(args.input)
    outputs: dict[Path, Path] = {}
    sizes = {}
    for path in paths:
        sizes[path] = read_image(path).size  # what cannot be read is named before the work starts
        output = args.out / f"{path.stem}.png"
        if output in outputs:
            raise LwdnaError(f"{path}: {outputs[output].name} would be written to {output} as well")
        if output.resolve() == path.resolve():
            raise LwdnaError(f"--out {args.out}: {path} would be overwritten")
        outputs[output] = path
    restore = _restorer(args.run_folder, device, args.tile, args.ensemble)
    args.out.mkdir(parents=True, exist_ok=True)
    pixels, started = 0, time.perf_counter()
    # The largest first: what is too large, for a tile or for the memory, is so at once.
    for output, path in sorted(outputs.items(), key=lambda item: sizes[item[1]], reverse=True):
        image = restore(path)
        write_image(output, image)
        pixels += image.shape[1] * image.shape[2]
    rate = pixels / 1e6 / (time.perf_counter() - started)
    print(f"{len(outputs)} images restored in {args.out}, {rate:.3g} megapixels of output per second")
    return 0


def _restorer(run_folder: Path, device: str, tile: int, ensemble: bool) -> Callable[[Path], Tensor]:
    """A function from an image's file to the restored image (C, H, W), uint8."""
    import torch

    from lwdna_core.export import CHANNELS, load
    from lwdna_core.shrink import ChannelConfig
    from tasks.restoration.colour import gray
    from tasks.restoration.images import read_tensor
    from tasks.restoration.model import restorer
    from tasks.restoration.quality import quantized

    shapes = ChannelConfig.load(run_folder / CHANNELS).input
    assert isinstance(shapes, list)
    colours = shapes[0][1]
    restore = restorer(load(run_folder).to(device), tile, ensemble)

    @torch.inference_mode()
    def restored(path: Path) -> Tensor:
        image = read_tensor(path).to(device)
        inputs = image.expand(3, -1, -1)[None] if colours > len(image) else image.view(-1, colours, *image.shape[1:])
        output = 255 * restore(inputs.float() / 255).flatten(0, 1)
        return quantized(output if len(output) == len(image) else gray(output))

    return restored
