"""`lwdna export`: the trained network of a run as an ONNX file."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Write the trained network of a run as one ONNX file for inference, weights inside,
for any batch size (where torch can export it so) and the input sizes of the
config. The network alone: what is done to its input before (normalisation, for
one) stays in the config."""

EXAMPLES = """\
examples:
  lwdna export work_dirs/resnet20_digits/seed0/lwdna --onnx lwdna.onnx"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="where to write")


def run(args: argparse.Namespace) -> int:
    from lwdna_core.compare.run_folder import read_run

    result = read_run(args.run_folder)
    if not args.onnx.parent.is_dir():
        raise LwdnaError(f"--onnx {args.onnx}: there is no folder {args.onnx.parent}")

    from lwdna_core.compare.protocol import check_network
    from lwdna_core.export import CHANNELS, load, to_onnx
    from lwdna_core.shrink import ChannelConfig

    check_network(result, args.run_folder)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that are not there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        any_size = to_onnx(load(args.run_folder), ChannelConfig.load(args.run_folder / CHANNELS), args.onnx)
    print(args.onnx if any_size else f"{args.onnx}, for a batch of 1: torch cannot export this network for any size")
    return 0
