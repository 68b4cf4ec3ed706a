"""LW-DNA: layer-wise differentiated channel configurations of convolutional networks, found and tested.

`lwdna_core.shrink` finds them in any PyTorch network; `lwdna_core.compare` trains both under one protocol.
Importing this package costs nothing: torch is imported by the modules that use it.
"""

__version__ = "0.1.0"
