"""What the example scripts share: a loop that resumes exactly, runs on images, probes, figures.

Names load on first use, so that each asks only for the packages it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from equiform.training.classify import ProbeScore, extract_features, linear_probe
    from equiform.training.clouds import Clouds, principal_axes
    from equiform.training.image_data import DATASETS, ImageBatches, ImageSplits, load_images
    from equiform.training.image_encoder import ImageEncoder
    from equiform.training.image_evaluation import (
        draw_transformations,
        equivariance_scores,
        knn_score,
        probe_score,
    )
    from equiform.training.image_figures import (
        Moved,
        cosine_distribution,
        embed_moved,
        positive_cosines,
        retrieve,
        wahba_distribution,
    )
    from equiform.training.image_objective import (
        Equivariance,
        ImageObjective,
        MomentumObjective,
        SumOfLosses,
    )
    from equiform.training.image_parts import (
        build_augmentation,
        build_encoder,
        build_objective,
        build_optimizer,
    )
    from equiform.training.image_plots import (
        plot_circle,
        plot_losses,
        plot_retrieval,
        plot_similarity,
        plot_training,
        plot_wahba,
        plot_weights,
    )
    from equiform.training.image_runs import Run, Runs
    from equiform.training.image_settings import PRESETS, Settings
    from equiform.training.images import evaluate_images, load_run, train_images
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
    from equiform.training.processes import join_processes, keep_freed_memory, rank
    from equiform.training.proteins import (
        load_chains,
        measure_rotations,
        trace_chains,
        write_comparison,
    )
    from equiform.training.run_log import TensorBoardLog, write_csv
    from equiform.training.trajectories import project_to_plane, trace, turns

_SUBMODULE_OF = {
    "AxisError": "probe",
    "Batches": "loop",
    "CheckpointError": "checkpoint",
    "Clouds": "clouds",
    "DATASETS": "image_data",
    "Equivariance": "image_objective",
    "History": "loop",
    "ImageBatches": "image_data",
    "ImageEncoder": "image_encoder",
    "ImageObjective": "image_objective",
    "ImageSplits": "image_data",
    "LinearProbe": "probe",
    "MomentumObjective": "image_objective",
    "Moved": "image_figures",
    "PRESETS": "image_settings",
    "ProbeScore": "classify",
    "Run": "image_runs",
    "Runs": "image_runs",
    "Settings": "image_settings",
    "SumOfLosses": "image_objective",
    "TensorBoardLog": "run_log",
    "build_augmentation": "image_parts",
    "build_encoder": "image_parts",
    "build_objective": "image_parts",
    "build_optimizer": "image_parts",
    "cosine_distribution": "image_figures",
    "draw_transformations": "image_evaluation",
    "embed_moved": "image_figures",
    "equivariance_scores": "image_evaluation",
    "evaluate_images": "images",
    "extract_features": "classify",
    "fit": "loop",
    "fit_ridge": "probe",
    "format_table": "log",
    "join_processes": "processes",
    "keep_freed_memory": "processes",
    "knn_score": "image_evaluation",
    "linear_probe": "classify",
    "load_chains": "proteins",
    "load_checkpoint": "checkpoint",
    "load_images": "image_data",
    "load_run": "images",
    "measure_rotations": "proteins",
    "plot_axis_error": "plots",
    "plot_circle": "image_plots",
    "plot_losses": "image_plots",
    "plot_retrieval": "image_plots",
    "plot_similarity": "image_plots",
    "plot_training": "image_plots",
    "plot_trajectories": "plots",
    "plot_wahba": "image_plots",
    "plot_weights": "image_plots",
    "positive_cosines": "image_figures",
    "principal_axes": "clouds",
    "probe_axis": "probe",
    "probe_score": "image_evaluation",
    "project_to_plane": "trajectories",
    "rank": "processes",
    "require_frozen": "probe",
    "retrieve": "image_figures",
    "save_checkpoint": "checkpoint",
    "trace": "trajectories",
    "trace_chains": "proteins",
    "train_images": "images",
    "turns": "trajectories",
    "versions": "log",
    "wahba_distribution": "image_figures",
    "write_comparison": "proteins",
    "write_csv": "run_log",
    "write_json": "log",
}

__all__ = [
    "DATASETS",
    "PRESETS",
    "AxisError",
    "Batches",
    "CheckpointError",
    "Clouds",
    "Equivariance",
    "History",
    "ImageBatches",
    "ImageEncoder",
    "ImageObjective",
    "ImageSplits",
    "LinearProbe",
    "MomentumObjective",
    "Moved",
    "ProbeScore",
    "Run",
    "Runs",
    "Settings",
    "SumOfLosses",
    "TensorBoardLog",
    "build_augmentation",
    "build_encoder",
    "build_objective",
    "build_optimizer",
    "cosine_distribution",
    "draw_transformations",
    "embed_moved",
    "equivariance_scores",
    "evaluate_images",
    "extract_features",
    "fit",
    "fit_ridge",
    "format_table",
    "join_processes",
    "keep_freed_memory",
    "knn_score",
    "linear_probe",
    "load_chains",
    "load_checkpoint",
    "load_images",
    "load_run",
    "measure_rotations",
    "plot_axis_error",
    "plot_circle",
    "plot_losses",
    "plot_retrieval",
    "plot_similarity",
    "plot_training",
    "plot_trajectories",
    "plot_wahba",
    "plot_weights",
    "positive_cosines",
    "principal_axes",
    "probe_axis",
    "probe_score",
    "project_to_plane",
    "rank",
    "require_frozen",
    "retrieve",
    "save_checkpoint",
    "trace",
    "trace_chains",
    "train_images",
    "turns",
    "versions",
    "wahba_distribution",
    "write_comparison",
    "write_csv",
    "write_json",
]


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
