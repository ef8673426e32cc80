"""What can be read from the embeddings of a frozen encoder: linear probes, ridge regression."""

from equiform.probes.frozen import require_frozen
from equiform.probes.linear import ProbeScore, extract_features, linear_probe
from equiform.probes.ridge import LinearProbe, fit_ridge

__all__ = [
    "LinearProbe",
    "ProbeScore",
    "extract_features",
    "fit_ridge",
    "linear_probe",
    "require_frozen",
]
