"""What a training script needs: a loop that resumes exactly, checkpoints, processes, logs.

Progress needs the ``examples`` extra once a loop runs, and :class:`TensorBoardLog` once it is made.
"""

from equiform._files import write_json
from equiform._record import format_table, versions
from equiform.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from equiform.training.loop import Batches, History, fit
from equiform.training.processes import join_processes, keep_freed_memory, rank
from equiform.training.run_log import TensorBoardLog, write_csv

__all__ = [
    "Batches",
    "CheckpointError",
    "History",
    "TensorBoardLog",
    "fit",
    "format_table",
    "join_processes",
    "keep_freed_memory",
    "load_checkpoint",
    "rank",
    "save_checkpoint",
    "versions",
    "write_csv",
    "write_json",
]
