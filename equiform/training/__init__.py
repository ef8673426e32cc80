"""What the example scripts share: a loop that resumes exactly, frozen probes, records, figures.

Names load on first use, so that each asks only for the packages it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from equiform.training.classify import ProbeScore, extract_features, linear_probe
    from equiform.training.clouds import Clouds, principal_axes
    from equiform.training.log import format_table, versions, write_json
    from equiform.training.loop import Batches, History, fit
    from equiform.training.plots import plot_axis_error, plot_trajectories
    from equiform.training.probe import (
        AxisError,
        LinearProbe,
        fit_ridge,
        probe_axis,
        require_frozen,
    )
    from equiform.training.proteins import (
        load_chains,
        measure_rotations,
        trace_chains,
        write_comparison,
    )
    from equiform.training.trajectories import project_to_plane, trace, turns

_SUBMODULE_OF = {
    "AxisError": "probe",
    "Batches": "loop",
    "CheckpointError": "checkpoint",
    "Clouds": "clouds",
    "History": "loop",
    "LinearProbe": "probe",
    "ProbeScore": "classify",
    "extract_features": "classify",
    "fit": "loop",
    "fit_ridge": "probe",
    "format_table": "log",
    "linear_probe": "classify",
    "load_chains": "proteins",
    "load_checkpoint": "checkpoint",
    "measure_rotations": "proteins",
    "plot_axis_error": "plots",
    "plot_trajectories": "plots",
    "principal_axes": "clouds",
    "probe_axis": "probe",
    "project_to_plane": "trajectories",
    "require_frozen": "probe",
    "save_checkpoint": "checkpoint",
    "trace": "trajectories",
    "trace_chains": "proteins",
    "turns": "trajectories",
    "versions": "log",
    "write_comparison": "proteins",
    "write_json": "log",
}

__all__ = [
    "AxisError",
    "Batches",
    "CheckpointError",
    "Clouds",
    "History",
    "LinearProbe",
    "ProbeScore",
    "extract_features",
    "fit",
    "fit_ridge",
    "format_table",
    "linear_probe",
    "load_chains",
    "load_checkpoint",
    "measure_rotations",
    "plot_axis_error",
    "plot_trajectories",
    "principal_axes",
    "probe_axis",
    "project_to_plane",
    "require_frozen",
    "save_checkpoint",
    "trace",
    "trace_chains",
    "turns",
    "versions",
    "write_comparison",
    "write_json",
]


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
