"""Values that several commands read from the command line."""

from __future__ import annotations

import argparse

from lwdna_core.errors import LwdnaError


def count(text: str) -> int:
    """Read a positive whole number (an argparse `type`)."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return int(text)


def shape(text: str) -> tuple[int, ...]:
    """Read sizes such as 3,224,224 (an argparse `type`)."""
    sizes = tuple(int(size) if size.strip().isdecimal() else 0 for size in text.split(","))
    if 0 in sizes:
        raise argparse.ArgumentTypeError(f"expected positive sizes such as 3,224,224, got {text!r}")
    return sizes


def usable_device(name: str | None) -> str:
    """The device called `name`, by default CUDA where there is one. Raises LwdnaError where it cannot be used."""
    import torch

    device = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LwdnaError(f"--device {device}: not usable here: {str(error).splitlines()[0]}") from error
    return device
