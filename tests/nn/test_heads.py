import pytest
import torch
from torch import nn

from equiform.nn import ProjectionHead


def test_the_head_is_its_definition(dtype):
    head = ProjectionHead(6, 5, 4, 3).to(dtype)
    kinds = [type(layer) for layer in head]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2 + [nn.Linear]
    first, second, last = (layer for layer in head if isinstance(layer, nn.Linear))
    assert first.bias is None
    assert second.bias is None
    z = torch.randn(7, 6, dtype=dtype)
    x = z
    for weight in (first.weight, second.weight):
        x = x @ weight.mT
        x = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()
        x = x.relu()
    expected = x @ last.weight.mT + last.bias
    torch.testing.assert_close(head(z), expected)
    assert not torch.allclose(expected.norm(dim=-1), torch.ones(7, dtype=dtype))


def test_the_width_of_the_paper_and_a_single_layer():
    head = ProjectionHead(2048, 512, 128)
    assert sum(p.numel() for p in head.parameters()) == 2048 * 512 + 2 * 512 + 512 * 128 + 128
    assert [type(layer) for layer in ProjectionHead(4, 2)] == [nn.Linear]


def test_one_embedding_in_eval_mode_and_a_state_that_loads():
    head, other = ProjectionHead(4, 3, 2), ProjectionHead(4, 3, 2)
    head(torch.randn(20, 4))
    other.load_state_dict(head.state_dict())
    z = torch.randn(5, 4)
    head.eval()
    torch.testing.assert_close(other.eval()(z[:1]), head(z)[:1])


@pytest.mark.parametrize(
    ("widths", "error", "match"),
    [
        ((), ValueError, r"two or more widths, got \("),
        ((3,), ValueError, r"two or more widths, got \("),
        ((3, 0, 2), ValueError, "widths must be at least 1, got widths=0"),
        ("a", TypeError, "widths must be an int, got 'a'"),
        ((3, True), TypeError, "widths must be an int, got True"),
        (([3, 2],), TypeError, "widths must be an int"),
    ],
)
def test_errors(widths, error, match):
    with pytest.raises(error, match=match):
        ProjectionHead(*widths)


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (torch.ones(1, 4), ValueError, r"x must give batch norms two .* got \(1, 4\); .*eval\(\)"),
        (torch.ones(5, 3), ValueError, r"x must have shape \(n, 4\), got \(5, 3\)"),
        (torch.ones(4), ValueError, r"x must have shape \(n, d\), got \(4,\); use x\[None\]"),
        (torch.ones(5, 4).double(), TypeError, r"x must be torch\.float32, .* got torch\.float64"),
        (torch.ones(5, 4).long(), TypeError, "x must be floating-point"),
        (torch.ones(5, 4).numpy(), TypeError, "x must be a tensor"),
    ],
)
def test_what_comes_in_is_checked(x, error, match):
    with pytest.raises(error, match=match):
        ProjectionHead(4, 3, 2)(x)
    assert ProjectionHead(4, 2)(torch.ones(1, 4)).shape == (1, 2)
