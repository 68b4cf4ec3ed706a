"""A network outside the process that trained it: a folder of weights and channels, and ONNX. Nothing is pickled."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_model
from torch import nn

from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, ConfigError

WEIGHTS, CHANNELS = "model.safetensors", "channels.json"


class ExportError(LwdnaError):
    """The network cannot be written in the format asked for."""


def save(network: nn.Module, config: ChannelConfig, folder: str | os.PathLike[str]) -> None:
    """Write `model.safetensors` and `channels.json` into `folder`, from which `load` rebuilds the network.

    Each file appears whole or not at all, the channels last.

    Args:
        network: what `config.apply` gave, trained or not, on any device.
        config: its configuration; `config.network` is a name that `lwdna_core.networks.build_network` knows.
        folder: is made where it is missing.

    Raises:
        ConfigError: if the configuration has no name of a network, or is for another number of parameters.
    """
    folder = Path(folder)
    _name(config, "the configuration")
    params = sum(p.numel() for p in network.parameters())
    if params != config.found.params:
        raise ConfigError(
            f"the network has {params:,} parameters, the configuration's has {config.found.params:,}: "
            "save what config.apply(...) returned"
        )
    folder.mkdir(parents=True, exist_ok=True)

    def write(aside: Path) -> None:
        aside.touch()  # the library would create it readable by its owner only
        save_model(network, str(aside))

    _replace(folder / WEIGHTS, write)
    config.save(folder / CHANNELS)


def load(folder: str | os.PathLike[str]) -> nn.Module:
    """Rebuild what `save` (or a run of `lwdna compare`) wrote: on the CPU, in eval mode, in the precision of the file.

    The network called `channels.json`'s `network` is built, resized, and given the weights; torch's random state is
    left as it was.

    Raises:
        ConfigError: for a file that is missing or damaged, a configuration without a name of a network or for another
            one, and weights that do not fit (names the tensors).
        NetworkError: if the name leads to no network.
    """
    folder = Path(folder)
    config = ChannelConfig.load(folder / CHANNELS)
    name, weights = _name(config, str(folder / CHANNELS)), folder / WEIGHTS
    try:
        tensors = load_file(weights)
    except FileNotFoundError:
        raise ConfigError(f"{weights}: No such file or directory") from None
    except SafetensorError as error:
        raise ConfigError(f"{weights}: not a complete safetensors file ({error})") from None
    with torch.random.fork_rng(devices=[]):
        network = config.apply(build_network(name, **config.options), initialise=False)
    expected = network.state_dict()
    faults = [
        f"{n}: expected shape {list(expected[n].shape)}, found {list(t.shape)}"
        for n, t in tensors.items() if n in expected and expected[n].shape != t.shape
    ]  # fmt: skip
    if faults:
        more = f"; and {len(faults) - 4} more" if len(faults) > 4 else ""
        raise ConfigError(f"{weights} does not fit network {name!r} ({'; '.join(faults[:4])}{more})")
    types = [t.dtype for t in tensors.values() if t.is_floating_point()]
    if types:
        network.to(reduce(torch.promote_types, types))
    try:
        load_model(network, str(weights))
    except RuntimeError as error:  # names that are missing or unknown; one tensor under two names is neither
        raise ConfigError(f"{weights} does not fit network {name!r}: {' '.join(str(error).split())}") from None
    return network.eval()


def to_onnx(network: nn.Module, config: ChannelConfig, path: str | os.PathLike[str]) -> bool:
    """Write an ONNX file for inference, weights inside, for any batch size and the image sizes of `config.input`.

    A network that torch can export for one sample only, such as one that correlates every pair of a batch on its own,
    is written so.

    Args:
        network: exported in eval mode and on its device; keeps its mode.
        config: its configuration.
        path: the file appears whole or not at all.

    Raises:
        ExportError: without the extra `onnx`, and for a network that torch cannot export.

    Returns: whether it is for any batch size.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(f"ONNX export needs {' and '.join(missing)}: pip install 'lwdna[onnx]'")
    training = {m: m.training for m in network.modules()}
    any_size = True
    try:
        try:
            onnx = _exported(network.eval(), config, any_size)
        except Exception:  # of many types, whatever torch's exporter or the network's own code raises
            any_size = False
            onnx = _exported(network, config, any_size)
    except Exception as error:
        raise ExportError(f"torch cannot export the network: {_cause(error)}") from error
    finally:
        for module, mode in training.items():
            module.training = mode
    _replace(Path(path), lambda aside: onnx.save(str(aside), external_data=False))
    return any_size


def _exported(network: nn.Module, config: ChannelConfig, any_size: bool) -> torch.onnx.ONNXProgram:
    first = next(network.parameters())

    def example(shape: list[int]) -> torch.Tensor:  # 2: the exporter takes a batch of 1 for a constant
        return torch.zeros(2 if any_size else 1, *shape[1:], device=first.device, dtype=first.dtype)

    named = config.input if isinstance(config.input, dict) else {}
    positional = [] if isinstance(config.input, dict) else config.input
    batch = {0: torch.export.Dim("batch")} if any_size else {}
    program = torch.export.export(
        network,
        tuple(example(shape) for shape in positional),
        {name: example(shape) for name, shape in named.items()},
        dynamic_shapes={name: batch for name in named} if named else tuple(batch for _ in positional),
    )
    onnx = torch.onnx.export(program, dynamo=True, verbose=False)
    assert onnx is not None
    return onnx


def _cause(error: BaseException) -> str:
    """The first line of what went wrong at the bottom: torch's exporter wraps it, with advice about itself."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or repr(error)).splitlines()[0]


def _name(config: ChannelConfig, source: str) -> str:
    if not config.network:
        raise ConfigError(
            f"{source} names no network: give it one, as in dataclasses.replace(config, network='timm:resnet50')"
        )
    return config.network


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
