"""Groups of joint forms: which there are, and how their eigenspaces are told apart."""

import pytest
import torch

from equiform import EuclideanForm, IndefiniteForm, Joint, MetricForm, MinkowskiForm, SymplecticForm


def test_joint_groups_that_are_not_implemented_say_so():
    s = slice(0, 4)
    joint = Joint([(MinkowskiForm(), s), (SymplecticForm(), s)])
    with pytest.raises(NotImplementedError, match="at most one other"):
        joint.isometry_group(4)
    twice = Joint([(EuclideanForm(), s), (IndefiniteForm(4, 0), s)])
    assert twice.isometry_group(4).algebra_basis().shape[0] == 6


def test_eigenvalues_that_rounding_parts_are_one():
    q = torch.linalg.qr(torch.randn(3, 3))[0]
    s = MetricForm(q @ torch.diag(torch.tensor([1.0, 1.0, 2.0])) @ q.mT)
    group = Joint([(EuclideanForm(), slice(0, 3)), (s, slice(0, 3))]).isometry_group(3)
    assert group.num_signs == 2
    assert group.algebra_basis().shape[0] == 1


@pytest.mark.parametrize(
    ("s", "algebra_dim", "num_signs"),
    [
        (torch.diag(torch.arange(1.0, 33.0) ** -3), 0, 32),
        (torch.diag(torch.tensor([1.0, 1e-10, -1e-10]).double()), 0, 3),
        (torch.block_diag(*(x * torch.tensor([[0.0, 1], [-1, 0]]) for x in (1, 1e-6))), 2, 0),
    ],
    ids=["a power law", "two signs", "skew"],
)
def test_eigenvalues_that_differ_are_apart(s, algebra_dim, num_signs):
    whole = slice(0, len(s))
    group = Joint([(EuclideanForm(), whole), (MetricForm(s), whole)]).isometry_group(len(s))
    assert len(group.algebra_basis()) == algebra_dim
    assert group.num_signs == num_signs
    t = group.sample(dtype=torch.float64)
    assert MetricForm(s).isometry_group(len(s)).contains(t)
