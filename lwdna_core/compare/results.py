"""The JSON files of a comparison: read and written whole, with null where a number is undefined."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwdna_core import __version__
from lwdna_core.errors import LwdnaError

FORMAT = 1


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` aside and rename it; what is not a finite number becomes null."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n")
    os.replace(aside, path)


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of this format.

    Raises LwdnaError, naming the file, where it is damaged or of another format version.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LwdnaError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise LwdnaError(f'{path}: expected a JSON object with "format": {FORMAT}')
    return content


def sittings(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where a run of a `result.json` was trained: `environment` and `commit`; more than one if it was interrupted."""
    return result.get("sittings") or [result]


def in_one_place(result: Mapping[str, Any]) -> bool:
    """Whether all steps of a run were taken by one machine with the same software, so that its seconds are of that."""
    places = sittings(result)
    return len(places) == 1 and places[0].get("step", 0) == 0


def environment(device: str) -> dict[str, Any]:
    """Software and machine that a run used. `device` is torch's name of it."""
    import mmengine
    import torch

    cuda = device.startswith("cuda")
    return {
        "lwdna": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # it is of a class of its own, which no checkpoint should hold
        "mmengine": mmengine.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "processor": _processor(),
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
    }


def _processor() -> str | None:
    """Name of the CPU, where the system tells it in /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)


def commit() -> str | None:
    """Commit of the checkout that this package runs from ("-dirty" with changes), None where it was installed."""
    home = Path(__file__).parents[2]
    if not (home / ".git").exists():
        return None
    command = ["git", "-C", str(home), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _finite(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _finite(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_finite(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node
