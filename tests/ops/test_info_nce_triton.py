"""The Triton route of the log-partition op against the reference.

Without a GPU it runs in Triton's interpreter, which checks indices, masks and reductions.
"""

import pytest
import torch
import triton

from equiform.functional import info_nce, uniformity
from equiform.ops import log_partition
from equiform.ops.info_nce import tiled

pytest.importorskip("triton")
from equiform.ops.info_nce.triton import kernels as triton_kernels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of inf and NaN


@pytest.fixture(autouse=True)
def _uninitialised_memory_is_nan():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def value_and_gradient(x, weight, **options):
    partition = log_partition(x, **options)
    return partition, *torch.autograd.grad(partition, x, weight)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize(
    ("n", "d"),
    [(1, 1), (1, 17), (2, 128), (17, 1), (17, 17), (64, 3), (64, 128), (129, 3), (129, 130)],
)
def test_agrees_with_the_reference(n, d, group, dtype):
    # Every other column of a wider matrix: the kernels are given contiguous rows.
    x = (torch.randn(n * group, 2 * d, dtype=dtype) / d**0.5)[:, ::2].to(DEVICE)
    x.requires_grad_()
    weight = torch.randn(len(x), dtype=dtype, device=DEVICE) * (n > 1)
    got = value_and_gradient(x, weight, group=group, backend="triton")
    expected = value_and_gradient(x, weight, group=group, backend="reference")
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)
    assert got[0].device.type == DEVICE


def test_rows_of_one_rank():
    x = torch.randn(140, 5, dtype=torch.float64, device=DEVICE)
    rows = range(66, 138)
    partition = log_partition(x, group=2)
    weight = torch.randn_like(partition)
    torch.testing.assert_close(
        triton_kernels.log_partition(x, 2, rows), partition[66:138], rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        triton_kernels.gradient(x, partition, weight, 2, rows),
        tiled.gradient(x, partition, weight, 2, rows),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("loss", [info_nce, uniformity])
def test_losses_and_second_derivatives(loss):
    z1, z2 = torch.randn(2, 4, 3, dtype=torch.float64, device=DEVICE)
    z1.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, z2, backend="triton"), z1)
    assert torch.autograd.gradgradcheck(lambda z: loss(z, z2, backend="triton"), z1)


def test_extremes():
    z = torch.nn.functional.normalize(torch.randn(2, 6, 4, device=DEVICE), dim=-1)
    z1, z2 = z.requires_grad_()
    loss = info_nce(z1, z2, 1e-3, backend="triton")
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert info_nce(z1[:1], z2[:1], backend="triton") == 0
    huge = torch.full((4, 3), 1e30, device=DEVICE)
    assert (log_partition(huge, backend="triton") == torch.inf).all()
    huge[1, 1] = torch.nan
    assert log_partition(huge, backend="triton").isnan().all()


def test_same_bits_twice():
    x = torch.randn(70, 17, device=DEVICE, requires_grad=True)
    weight = torch.randn(70, device=DEVICE)
    runs = [value_and_gradient(x, weight, group=2, backend="triton") for _ in range(2)]
    assert all(map(torch.equal, *runs))


def test_a_cpu_tensor_is_refused(monkeypatch):
    monkeypatch.setattr(triton.knobs.runtime, "interpret", False)
    with pytest.raises(ValueError, match=r"backend='triton' needs CUDA tensors, got cpu"):
        log_partition(torch.ones(2, 3), backend="triton")
