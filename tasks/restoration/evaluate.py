"""Score restored images, of any method, against their originals: PSNR and SSIM."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from statistics import fmean
from typing import Any

from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Score restored images, of any method, against their originals: PSNR and SSIM of
every image, and their means.

The originals are cut at the right and at the bottom to a multiple of the scale.
An output belongs to the original of the same file name, else of the same stem,
with or without the suffix x4 (of --scale 4). `--output bicubic` scores bicubic
interpolation instead of files: MATLAB's imresize down (uint8) and up (floating
point), rounded once.

Conventions: y, the Y channel of BT.601 in 16 .. 235, unrounded; y-rounded, the
same rounded to 8 bits as MATLAB's rgb2ycbcr does; rgb, all three channels. A gray
image is scored as it is. SSIM: 11x11 Gaussian, sigma 1.5, no padding."""

EXAMPLES = """\
examples:
  lwdna eval restoration --reference Set5/HR --output results/Set5 --scale 4
  lwdna eval restoration --reference Set5/HR --output bicubic --scale 4 --convention y-rounded --json bicubic.json
  lwdna eval restoration --reference Set12 --output denoised --scale 1"""

BICUBIC = "bicubic"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("--reference", type=Path, required=True, metavar="DIR", help="folder of the originals")
    add("--output", required=True, metavar="DIR", help=f"folder of the restored images, or {BICUBIC}")
    add("--scale", type=_count, required=True, metavar="N", help="of super-resolution; 1 for denoising")
    # the names in tasks.restoration.colour.CONVENTIONS, which cannot be had without importing torch
    add("--convention", choices=("y", "y-rounded", "rgb"), default="y", help="what is scored (default: %(default)s)")
    add("--border", type=int, metavar="N", help="pixels cut from every side (default: the scale; 0 where it is 1)")
    add("--json", type=Path, metavar="OUT", help="write the scores to this file")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    border = args.border if args.border is not None else args.scale if args.scale > 1 else 0
    if border < 0:
        raise LwdnaError(f"--border {border}: expected 0 or more pixels")
    if args.json and (args.json.is_dir() or not args.json.parent.is_dir()):
        raise LwdnaError(f"--json {args.json}: expected a file's name in a folder that is there")
    scores = score(args.reference, args.output, args.scale, args.convention, border)
    _print(scores)
    if args.json:
        from lwdna_core.compare.results import write_json

        write_json(args.json, scores)
        print(f"wrote {args.json}")
    return 0


def score(reference: Path, output: str, scale: int, convention: Any, border: int) -> dict[str, Any]:
    """Scores of every image of a folder, and their means.

    Args:
        reference: folder of the originals.
        output: folder of the restored images, or "bicubic".
        scale: the originals are cut to a multiple of it.
        convention, border: see `tasks.restoration.quality.psnr`.

    Returns: `{"psnr", "ssim", "convention", "border", "scale", "identical", "images": {file name: {"psnr", "ssim"}}}`.
    The PSNR of an identical image is infinite and not in the mean; "identical" lists these.

    Raises LwdnaError, naming the file, for an output that is missing, one too many, or of the wrong size, and for an
    image that cannot be read or is too small.
    """
    from tasks.restoration.images import cropped, image_files, read_tensor
    from tasks.restoration.imresize import bicubic, imresize
    from tasks.restoration.quality import WINDOW, psnr, ssim

    originals = image_files(reference)
    if output == BICUBIC and scale == 1:
        raise LwdnaError(f"--output {BICUBIC}: expected --scale of 2 or more")
    outputs = {} if output == BICUBIC else pair(originals, image_files(Path(output)), scale)
    images = {}
    for path in originals:
        target = cropped(read_tensor(path), scale)
        if min(target.shape[1:]) < WINDOW + 2 * border:
            raise LwdnaError(
                f"{path}: {_size(target)} pixels are too few: {WINDOW}x{WINDOW} must remain inside a border of {border}"
            )
        if path in outputs:
            restored = _matching(outputs[path], target, path)
        else:
            restored = bicubic(imresize(target, 1 / scale), scale)
        scored = (restored, target, convention, border)
        images[path.name] = {"psnr": psnr(*scored).item(), "ssim": ssim(*scored).item()}
    finite = [image["psnr"] for image in images.values() if math.isfinite(image["psnr"])]
    return {
        "psnr": fmean(finite) if finite else math.inf,
        "ssim": fmean(image["ssim"] for image in images.values()),
        "convention": convention,
        "border": border,
        "scale": scale,
        "identical": [name for name, image in images.items() if not math.isfinite(image["psnr"])],
        "images": images,
    }


def pair(originals: list[Path], outputs: list[Path], scale: int) -> dict[Path, Path]:
    """The output of every original. Raises LwdnaError for one that is missing, extra, or there twice."""
    names = {path.name: path for path in originals}
    stems: dict[str, list[Path]] = {}
    for path in originals:
        stems.setdefault(path.stem, []).append(path)
    paired: dict[Path, Path] = {}
    with_suffix = f", with or without x{scale}" if scale > 1 else ""
    # Equal file names first, so that what else fits a name counts as one too many.
    for path in sorted(outputs, key=lambda path: path.name not in names):
        bare = re.sub(rf"[_-]?x{scale}$", "", path.stem, flags=re.IGNORECASE) if scale > 1 else path.stem
        found = [names[path.name]] if path.name in names else stems.get(path.stem) or stems.get(bare) or []
        if not found:
            raise LwdnaError(f"{path}: no image of {originals[0].parent} is called so{with_suffix}")
        if len(found) > 1:
            raise LwdnaError(f"{path}: could be that of {found[0]} or of {found[1]}")
        if found[0] in paired:
            raise LwdnaError(f"{path}: {found[0].name} has an output already: {paired[found[0]]}")
        paired[found[0]] = path
    missing = [path.name for path in originals if path not in paired]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise LwdnaError(f"{outputs[0].parent}: no output for {', '.join(missing[:5])}{more}")
    return paired


def _matching(path: Path, target: Any, original: Path) -> Any:
    """An output (C, H, W) that has the shape of its target; three equal channels are one where the target has one."""
    from tasks.restoration.images import read_tensor

    output = read_tensor(path)
    if output.shape[1:] != target.shape[1:]:
        raise LwdnaError(f"{path}: {_size(output)} pixels, expected {_size(target)} as in {original}")
    if len(output) > len(target) and (output == output[:1]).all():
        output = output[:1]
    if len(output) != len(target):
        kinds = {1: "gray", 3: "colour"}
        raise LwdnaError(f"{path}: a {kinds[len(output)]} image, but {original} is {kinds[len(target)]}")
    return output


def _size(image: Any) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"


def _print(scores: dict[str, Any]) -> None:
    width = max(len(name) for name in [*scores["images"], "mean"])
    print(f"{'image':<{width}}  PSNR (dB)    SSIM")
    for name, image in [*scores["images"].items(), ("mean", scores)]:
        print(f"{name:<{width}}  {image['psnr']:9.4f}  {image['ssim']:.5f}")
    print(f"convention {scores['convention']}, {scores['border']} pixels cut at the border")
    if scores["identical"]:
        print(f"identical, infinite PSNR, left out of its mean: {', '.join(scores['identical'])}")
