"""How long inference takes, and how much memory, on this device: several networks side by side."""

from lwdna_core.latency.folding import Folded, fold_batch_norm
from lwdna_core.latency.result import Latency, Ratio, paired_ratio, ratio, sentence
from lwdna_core.latency.timing import DTYPES, measure

__all__ = ["DTYPES", "Folded", "Latency", "Ratio", "fold_batch_norm", "measure", "paired_ratio", "ratio", "sentence"]
