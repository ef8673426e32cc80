"""Without a GPU, Triton's kernels run in its interpreter; Triton must know when it is imported."""

import importlib.util
import os

import torch

if torch.cuda.is_available():
    # What cuBLAS asks for where torch.use_deterministic_algorithms is on.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
else:
    os.environ.setdefault("TRITON_INTERPRET", "1")

#: Triton is an extra, and not on every platform.
collect_ignore_glob = [] if importlib.util.find_spec("triton") else ["test_*triton*.py"]
