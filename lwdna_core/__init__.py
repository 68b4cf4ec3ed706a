"""LW-DNA: layer-wise differentiated channel configurations of convolutional networks, found and tested.

`lwdna_core.shrink` finds them in any PyTorch network; `lwdna_core.compare` trains both under one protocol; `save` and
`load` keep a network as weights and channels in a folder.
Importing this package costs nothing: torch is imported by the modules that use it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lwdna_core.export import load, save

__version__ = "0.1.0"
__all__ = ["__version__", "load", "save"]


def __getattr__(name: str) -> Any:
    if name not in ("load", "save"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lwdna_core import export

    return getattr(export, name)
