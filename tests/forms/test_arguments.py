"""What forms refuse, by the name of what is wrong."""

import numpy as np
import pytest
import torch

from equiform import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    Joint,
    MetricForm,
    MinkowskiForm,
    OrthogonalSum,
    SplitForm,
    SymplecticForm,
)

S = torch.tensor([[2.0, 1.0], [1.0, -1.0]])
E2, METRIC = EuclideanForm(), MetricForm(S)


class Twisted(BilinearForm):
    """A form whose author keeps a parameter that is no value."""

    def __init__(self, parameter):
        self.parameter = parameter

    def signed_permutation(self, d):
        return None, None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: OrthogonalSum(3), TypeError, r"OrthogonalSum needs \(form, int\) parts, got 3"),
        (lambda: OrthogonalSum([E2]), TypeError, r"OrthogonalSum needs \(form, int\) parts"),
        (lambda: OrthogonalSum([(E2, True)]), TypeError, r"OrthogonalSum needs \(form, int\)"),
        (lambda: OrthogonalSum(None), TypeError, "got None"),
        (lambda: Joint(None), TypeError, r"Joint needs \(form, slice\) members, got None"),
        (lambda: Joint([E2, slice(2)]), TypeError, r"Joint needs \(form, slice\) members"),
        (lambda: Joint([(E2, slice("a", "b"))]), TypeError, "slices of integers"),
        (lambda: Joint([(E2, slice(0.0, 2.0))]), TypeError, "slices of integers"),
        (lambda: Joint([(E2, slice(0, None))]), ValueError, "0 <= start < stop"),
        (lambda: MetricForm(S.to_sparse()), TypeError, r"dense tensor .*torch.sparse_coo"),
        (lambda: MetricForm(S / 0), ValueError, "finite S, got 4 entries"),
        (lambda: E2.signature(True), TypeError, "d must be an int, got True"),
        (lambda: E2.signature(torch.tensor(2)), TypeError, "d must be an int"),
        (lambda: E2.isometry_group([2]), TypeError, "d must be an int"),
        (lambda: METRIC.adjoint(torch.ones(3, 2)), ValueError, r"shape \(..., d, d\)"),
        (lambda: METRIC.on_coordinates(None), TypeError, "as a tensor, got NoneType"),
        (lambda: E2.gram(torch.ones(3, 2, dtype=torch.long)), TypeError, "use .float()"),
        (lambda: E2.gram(torch.ones(3, 2) + 0j), TypeError, "use HermitianForm()"),
        (lambda: Twisted(S) == Twisted(S), TypeError, "Twisted.parameter must compare and hash"),
        (lambda: hash(Twisted([1])), TypeError, "Twisted.parameter .* got list; keep numbers in"),
    ],
)
def test_what_is_wrong_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("x", [None, [1.0, 2.0], np.ones((2, 2)), torch.tensor(1.0)], ids=type)
@pytest.mark.parametrize("form", [E2, METRIC, HermitianForm()], ids=repr)
@pytest.mark.parametrize("name", ["apply", "coordinates", "adjoint", "gram"])
def test_what_holds_no_rows_is_refused_by_the_form(form, name, x):
    with pytest.raises((TypeError, ValueError), match=r"needs embeddings|one dimension"):
        getattr(form, name)(x)


@pytest.mark.parametrize(
    "kind", [EuclideanForm, MinkowskiForm, SplitForm, SymplecticForm, HermitianForm]
)
def test_forms_of_every_dimension_take_no_arguments(kind):
    for options in ({"d": 4}, {"form": 3}):
        with pytest.raises(TypeError):
            kind(**options)
    with pytest.raises(TypeError):
        kind(4)
