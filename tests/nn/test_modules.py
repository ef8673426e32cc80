"""What holds of every module and loss: it is copied, pickled, and its state is plain data."""

import copy
import io
import pickle
from functools import partial

import pytest
import torch
from torch import nn

pytest.importorskip("torch_geometric")

from equiform import Hyperboloid, Sphere, losses
from equiform import nn as modules
from equiform.experimental import FiniteGroup, PairOrbitLoss

MAKERS = {
    modules.DeepSets: (partial(modules.DeepSets, 3, 8, 4), [(5, 3)]),
    modules.ProjectionHead: (partial(modules.ProjectionHead, 3, 4, 2), [(5, 3)]),
    modules.MomentumEncoder: (
        lambda: modules.MomentumEncoder(modules.ProjectionHead(3, 4, 2), 0.9),
        [(5, 3)],
    ),
    modules.BasicBlock: (partial(modules.BasicBlock, 3, 2, 2), [(2, 3, 8, 8)]),
    modules.Bottleneck: (partial(modules.Bottleneck, 3, 2, 2), [(2, 3, 8, 8)]),
    modules.ResNet: (
        partial(modules.ResNet, modules.BasicBlock, (1, 1, 1, 1), width=2),
        [(2, 3, 40, 40)],
    ),
    modules.Whitening: (partial(modules.Whitening, 3), [(9, 3)]),
    losses.InfoNCELoss: (partial(losses.InfoNCELoss, 0.5, manifold=Sphere()), 2 * [(5, 3)]),
    losses.UniformityLoss: (losses.UniformityLoss, 2 * [(5, 3)]),
    losses.InvarianceLoss: (
        partial(losses.InvarianceLoss, manifold=Hyperboloid(learnable=True)),
        2 * [(5, 3)],
    ),
    losses.MomentumContrastLoss: (losses.MomentumContrastLoss, 3 * [(5, 3)]),
    losses.PairwiseEquivarianceLoss: (losses.PairwiseEquivarianceLoss, 2 * [(5, 3)]),
    losses.OrientationLoss: (losses.OrientationLoss, 2 * [(5, 3)]),
    losses.CARELoss: (losses.CARELoss, 4 * [(5, 3)]),
    PairOrbitLoss: (partial(PairOrbitLoss, FiniteGroup.signs(3)), 2 * [(5, 3)]),
}


def test_no_module_is_missing():
    public = [getattr(part, name) for part in (modules, losses) for name in part.__all__]
    kinds = {x for x in public if isinstance(x, type) and issubclass(x, nn.Module)}
    # The queue has no forward pass, and tests of its own.
    assert kinds - MAKERS.keys() == {modules.EmbeddingQueue}


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
def test_copies_pickles_and_states_answer_alike(kind):
    make, shapes = MAKERS[kind]
    module = make().eval()
    inputs = [torch.rand(shape) for shape in shapes]
    expected = module(*inputs)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    loaded = make().eval()
    loaded.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    for other in (loaded, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(other(*inputs), expected)
