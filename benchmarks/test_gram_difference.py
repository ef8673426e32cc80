"""pytest-benchmark suite of the op and its rivals: `make benchmark`."""

import pytest

from benchmarks import rivals
from benchmarks.gram_difference import errors, make, ours, step_of

CASES = [(16, 16, 128), (1, 512, 128), (1, 4096, 128)]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("loss", [ours, rivals.eager, rivals.released], ids=lambda f: f.__name__)
def test_forward_and_backward(benchmark, case, loss):
    a, b = make(*case, "cpu")
    loss_error, gradient_error = errors(a, b)
    assert loss_error < 1e-5
    assert gradient_error < 5e-3
    benchmark.group = str(case)
    benchmark(step_of(loss, a, b))
