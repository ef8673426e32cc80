"""Options as users have them: numpy's numbers, compiled modules, whatever can be called."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import equiform
from equiform import (
    CARELoss,
    EuclideanForm,
    IndefiniteForm,
    InfoNCELoss,
    Joint,
    OrthogonalSum,
    PairwiseEquivarianceLoss,
    functional,
)
from equiform._options import check_count, check_flag, check_number
from equiform.metrics import WahbaError

E = EuclideanForm()


def test_numbers_of_numpy_are_numbers():
    assert type(check_count("n", np.int64(3))) is int
    assert type(check_number("x", np.float32(3))) is float
    assert check_flag("on", np.True_) is True
    assert IndefiniteForm(np.int64(2), np.int64(1)) == IndefiniteForm(2, 1)
    assert OrthogonalSum([[E, np.int64(2)]]) == OrthogonalSum([(E, 2)])
    assert Joint([(E, slice(np.int64(2)))]) == Joint([(E, slice(0, 2))])
    group = E.isometry_group(4)
    assert group.sample(np.int64(2)).shape == (2, 4, 4)
    t = group.sample()
    assert torch.equal(
        group.component(group.sample(component=group.component(t))), group.component(t)
    )


@pytest.mark.parametrize("value", [True, 2.0, "2", None, [2], torch.tensor(2.5)])
def test_what_is_no_integer_is_none(value):
    with pytest.raises(TypeError, match="n must be an int, got"):
        check_count("n", value)


@pytest.mark.parametrize("value", [True, "2", None, [2], 1j, torch.tensor(2.5)])
def test_what_is_no_number_is_none(value):
    with pytest.raises(TypeError, match="x must be a number, got"):
        check_number("x", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_are_finite_and_not_negative(value):
    with pytest.raises(ValueError, match="x must be finite and not negative"):
        check_number("x", value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "loss",
    [
        InfoNCELoss(np.float64(0.1)),
        PairwiseEquivarianceLoss(num_chunks=np.int64(4)),
        PairwiseEquivarianceLoss(orientation=np.float64(0.1)),
        PairwiseEquivarianceLoss(center=np.True_, normalization="relative"),
    ],
    ids=repr,
)
def test_losses_compile_with_them_and_without_a_warning(loss):
    z = torch.randn(2, 8, 4)
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*z), loss(*z))


class _Called(nn.Module):
    def __call__(self, z1, z2):
        return (z1 - z2).square().sum()


def test_whatever_can_be_called_is_a_term():
    z = torch.randn(4, 8, 4)
    compiled = torch.compile(InfoNCELoss(), backend="eager")
    for term in (compiled, partial(functional.info_nce, temperature=0.1), _Called()):
        assert CARELoss(term)(*z).total.isfinite()
    for term in (nn.Module(), InfoNCELoss, 3):
        with pytest.raises(TypeError, match="contrastive must be a loss such as"):
            CARELoss(term)


def test_compiled_encoders_are_reported_on():
    encoder = torch.compile(nn.Linear(4, 4), backend="eager")
    options = {"batch_size": np.int64(16), "seed": np.int64(1)}
    result = equiform.report(encoder, torch.randn(60, 4), {"turn": lambda x: -x}, **options)
    assert result.seed == 1


def test_a_transformation_is_numbered_as_a_loader_does():
    b, a = torch.randn(2, 9, 4)
    values = []
    for zero, one in ((0, 1), (np.int64(0), np.int64(1)), torch.arange(2)):
        metric = WahbaError(E.isometry_group(4), num_transformations=2)
        metric.update(b, a, zero)
        metric.update(a, b, one)
        values.append(metric.compute())
    assert values[0] == values[1] == values[2]
    for wrong in (True, 2, -1, 0.5, None, torch.tensor(0.5), torch.tensor([0, 1])):
        with pytest.raises(ValueError, match="transformation must be an int from 0 to 1"):
            metric.update(b, a, wrong)
