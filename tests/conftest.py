"""Settings that every suite shares."""

import importlib.util
import os

import hypothesis
import pytest
import torch

if torch.cuda.is_available():
    # What cuBLAS asks for where torch.use_deterministic_algorithms is on.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
else:
    # Without a GPU, Triton's kernels run in its interpreter. Triton reads this when it is imported,
    # which other packages do on their own: so it is set here, before any test module.
    os.environ.setdefault("TRITON_INTERPRET", "1")

#: Triton is an extra, and not on every platform.
collect_ignore_glob = [] if importlib.util.find_spec("triton") else ["ops/test_*triton*.py"]

# Timings vary too much between machines for deadlines; on CI the same examples are drawn each time.
hypothesis.settings.register_profile(
    "default",
    deadline=None,
    derandomize=False,  # which hypothesis itself turns on by more variables than CI
    max_examples=int(os.environ.get("EQUIFORM_MAX_EXAMPLES", "60")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "ci", hypothesis.settings.get_profile("default"), derandomize=True
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def pytest_configure() -> None:
    # pytest-xdist runs one worker a core: more threads each only get in each other's way. Who asks
    # for them gets them all the same: BLAS and LAPACK take another path then (tests/portable.py).
    if "PYTEST_XDIST_WORKER" in os.environ and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
