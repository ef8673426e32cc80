"""The starts of the fit: members of the group, exact on exact data, and the balanced gauge."""

import pytest
import torch

from equiform.groups import NoncompactGroup
from equiform.groups.fit.starts import balance, cartan, isometry_near, nearest_compact
from tests.cases import GROUPS

norm = torch.linalg.matrix_norm
GROUPS_ = [c.group for c in GROUPS if isinstance(c.group, NoncompactGroup)]
noncompact = pytest.mark.parametrize("group", GROUPS_, ids=repr)


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def points(group, *batch):
    return torch.randn(*batch, 3 * group.dim, group.dim, dtype=double(group))


@noncompact
@pytest.mark.parametrize("rapidity", [0.0, 4.0])
def test_balancing_is_the_smallest_frobenius_norm_over_the_group(group, rapidity):
    b = points(group, 10) @ group.sample(10, rapidity=rapidity, dtype=double(group)).mT
    h = balance(group.form, b.mH @ b)
    assert group.contains(h.mT).all()
    torch.testing.assert_close(h, h.mH)
    assert (torch.linalg.eigvalsh(h) > 0).all()
    smallest = norm(b @ h)
    tangent = group.project_algebra(torch.randn(3, 10, *h.shape[1:], dtype=double(group)))
    steps = torch.tensor([1e-3, 0.1, 1.0], dtype=torch.float64)[:, None, None, None]
    assert (norm(b @ h @ group.exp(steps * tangent)) >= smallest * (1 - 1e-9)).all()


@noncompact
def test_the_balanced_norm_does_not_know_which_isometry_moved_the_points(group):
    b = points(group)
    t = group.sample(rapidity=3.0, dtype=double(group))
    first, second = (norm(x @ group.balance(x.mH @ x)) for x in (b, b @ t.mT))
    torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


@noncompact
def test_members_are_left_as_they_are(group):
    t = group.sample(10, rapidity=3.0, dtype=double(group))
    torch.testing.assert_close(isometry_near(group.form, t), t, rtol=1e-9, atol=1e-9)
    k = group.sample(10, rapidity=0.0, dtype=double(group))
    torch.testing.assert_close(nearest_compact(group.form, k), k)
    trace = int(group.form.matrix(group.dim).trace().abs())
    witt_index = (group.dim - trace) // 2
    torch.testing.assert_close(cartan(group.form, t, witt_index), t, rtol=1e-8, atol=1e-8)


@noncompact
def test_rough_estimates_become_members(group):
    rough = group.sample(20, rapidity=3.0, dtype=double(group))
    rough = rough + 0.1 * torch.randn_like(rough)
    near = isometry_near(group.form, rough)
    full = NoncompactGroup(group.form, group.dim)  # whatever the component
    assert full.contains(near).all()
    k = nearest_compact(group.form, rough)
    assert full.contains(k).all()
    torch.testing.assert_close(k.mH @ k, torch.eye(group.dim, dtype=k.dtype).expand_as(k))
