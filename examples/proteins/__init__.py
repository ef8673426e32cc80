"""What the examples on protein chains share: data, measurements, trajectories and plots."""

from proteins.chains import collate, load_chains
from proteins.measurements import measure_rotations
from proteins.plots import write_comparison
from proteins.trajectories import trace_chains

__all__ = ["collate", "load_chains", "measure_rotations", "trace_chains", "write_comparison"]
