"""Frozen features, and the linear probe against training by hand and against the optimum."""

import numpy as np
import pytest
import torch
from torch import nn

from equiform.nn import resnet18
from equiform.probes import extract_features, linear_probe


def preprocess(images):
    return images.float() / 255


def test_features_are_those_of_the_encoder_and_leave_it_as_it_is():
    encoder = resnet18(width=2, cifar_stem=True).eval()
    images = torch.randint(256, (7, 3, 16, 16), dtype=torch.uint8)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    features = extract_features(encoder, images, preprocess, batch_size=3)
    assert not features.requires_grad
    expected = torch.cat([encoder(preprocess(image)) for image in images.split(1)])
    torch.testing.assert_close(features, expected.detach())
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    one = extract_features(encoder, images[:1], preprocess, device="cpu")
    torch.testing.assert_close(one, features[:1])


def test_an_encoder_in_train_mode_is_refused():
    encoder = resnet18(width=2).eval()
    encoder.layer3[1].bn2.train()
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match=r"layer3\.1\.bn2 is in train mode"):
        extract_features(encoder, images, preprocess)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"images": torch.zeros(0, 3, 4, 4)}, ValueError, "needs images, got none"),
        ({"images": None}, TypeError, "images must be a tensor, got NoneType"),
        ({"batch_size": 0}, ValueError, "at least 1, got batch_size=0"),
        ({"encoder": torch.flatten}, TypeError, "encoder must be a module"),
        ({"preprocess": None}, TypeError, "preprocess must be a function"),
        ({"preprocess": nn.Flatten}, TypeError, "preprocess must be a function"),
    ],
)
def test_extraction_checks_its_arguments(change, error, match):
    images = torch.zeros(4, 3, 4, 4, dtype=torch.uint8)
    whole = {"encoder": nn.Flatten().eval(), "images": images, "preprocess": preprocess}
    with pytest.raises(error, match=match):
        extract_features(**(whole | change))


def data(n, generator, dtype=torch.float64):
    """Three classes whose log-odds are linear in the features, and not separable."""
    features = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    logits = features @ torch.tensor([[2.0, -1, 0, 0], [0, 2, -1, 0], [-1, 0, 2, 0]]).double().mT
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)
    return features.to(dtype), labels


def test_the_probe_reaches_the_optimum_of_logistic_regression(generator):
    train, test = data(300, generator), data(200, generator)
    weight = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimum = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def closure():
        optimum.zero_grad()
        loss = nn.functional.cross_entropy(train[0] @ weight.mT + bias, train[1])
        loss.backward()
        return loss

    optimum.step(closure)
    logits = (test[0] @ weight.mT + bias).detach()
    score = linear_probe(*train, *test, epochs=1000, batch_size=300, lr=0.02, weight_decay=0)
    assert score.loss == pytest.approx(
        float(nn.functional.cross_entropy(logits, test[1])), rel=1e-4
    )
    assert score.top1 == pytest.approx(
        float((logits.argmax(1) == test[1]).double().mean()), abs=0.011
    )
    assert score.top1 > 0.7


@pytest.mark.parametrize("weight_decay", [0.0, 1.0])
def test_one_full_batch_is_one_step_of_adam(generator, weight_decay, dtype):
    train, test = data(20, generator, dtype), data(9, generator, dtype)
    draws = torch.Generator().manual_seed(5)
    weight = torch.empty(3, 4, dtype=dtype).uniform_(-0.5, 0.5, generator=draws)
    bias = torch.empty(3, dtype=dtype).uniform_(-0.5, 0.5, generator=draws)
    p = (train[0] @ weight.mT + bias).softmax(-1) - nn.functional.one_hot(train[1], 3)
    gradients = p.mT @ train[0] / 20 + weight_decay * weight, p.mean(0) + weight_decay * bias
    # In its first step Adam moves by lr in the direction of the sign.
    weight, bias = (
        x - 0.1 * g / (g.abs() + 1e-8) for x, g in zip((weight, bias), gradients, strict=True)
    )
    logits = test[0] @ weight.mT + bias
    score = linear_probe(
        *train, *test, epochs=1, batch_size=64, lr=0.1, weight_decay=weight_decay, seed=5
    )
    expected = float(nn.functional.cross_entropy(logits, test[1]))
    assert score.loss == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 1e-12)
    assert score.top1 == float((logits.argmax(1) == test[1]).double().mean())


def test_a_seed_fixes_the_probe_and_the_random_state_is_left_alone(generator):
    train, test = data(50, generator), data(50, generator)
    scores = []
    for seed in (0, 0, 1):
        state = torch.get_rng_state()
        scores.append(linear_probe(*train, *test, epochs=2, batch_size=16, seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
        torch.rand(1)
    assert scores[0] == scores[1]
    assert scores[0].loss != scores[2].loss


def test_gradients_autocast_and_no_grad_around_it_change_nothing(generator):
    train, test = data(30, generator, torch.float32), data(30, generator, torch.float32)
    expected = linear_probe(*train, *test, epochs=2)
    graph = train[0].requires_grad_() * 1
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear_probe(graph, train[1], *test, epochs=2) == expected
    assert train[0].grad is None
    half = linear_probe(train[0].bfloat16(), train[1], test[0].bfloat16(), test[1], epochs=2)
    assert half.loss == pytest.approx(expected.loss, rel=0.01)


def test_one_example_of_one_class():
    one = torch.ones(1, 3), torch.zeros(1, dtype=torch.long)
    assert linear_probe(*one, *one, epochs=1) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": torch.zeros(3, dtype=torch.long)}, r"got \(4, 2\) and \(3,\)"),
        ({"labels": torch.zeros(4)}, r"int64 classes from 0, got torch\.float32"),
        ({"test_labels": torch.tensor([0, 1, 2])}, "the 2 classes .* and a label 2"),
        ({"test_features": torch.ones(3, 5)}, "of 2 dimensions .* got 5 dimensions"),
        ({"epochs": 0}, "epochs must be at least 1, got epochs=0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got batch_size=0"),
        ({"features": torch.ones(4, 2).cfloat()}, "^features must be real, got torch.complex64"),
        ({"test_features": torch.ones(3, 2).cfloat()}, "^test_features must be real"),
        ({"test_features": torch.ones(3, 2).numpy()}, "^test_features must be a tensor"),
        ({"test_features": torch.full((3, 2), torch.nan)}, "^test_features must be finite"),
        ({"test_labels": [0, 1, 0]}, "needs test_labels that are a tensor .* got list"),
        ({"test_labels": torch.zeros(3)}, "needs test_labels that are int64"),
        ({"test_labels": torch.tensor([0])}, r"test_features \(n, d\) and test_labels \(n,\)"),
        ({"milestones": "12"}, "milestones must be an int, got '1'"),
        ({"milestones": (0.5,)}, "milestones must be an int, got 0.5"),
        ({"milestones": 12}, "milestones must be a list, got 12; use"),
        ({"milestones": (-1,)}, "milestones must be at least 0"),
        ({"lr": True}, "lr must be a number, got True"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        ({"seed": 1.5}, "seed must be an int, got 1.5"),
        ({"optimizer": None}, "optimizer must be a class such as torch.optim.SGD, got None"),
    ],
)
def test_the_probe_checks_its_arguments(change, match):
    arguments = {
        "features": torch.ones(4, 2),
        "labels": torch.tensor([0, 1, 0, 1]),
        "test_features": torch.ones(3, 2),
        "test_labels": torch.tensor([0, 1, 0]),
    }
    with pytest.raises((TypeError, ValueError), match=match):
        linear_probe(**(arguments | change))


def test_options_of_numpy_are_those_of_python(generator):
    encoder, images = nn.Flatten().eval(), torch.rand(5, 3, 2, 2)
    features = extract_features(encoder, images, preprocess, batch_size=np.int64(2))
    torch.testing.assert_close(features, encoder(preprocess(images)))
    sets = (*data(20, generator), *data(20, generator))
    counts = {"epochs": 2, "batch_size": 8, "seed": 8}
    expected = linear_probe(*sets, lr=0.5, milestones=[1], **counts)
    counts = {name: np.int64(count) for name, count in counts.items()}
    assert linear_probe(*sets, lr=np.float32(0.5), milestones=np.array([1]), **counts) == expected


def test_a_probe_that_diverges_gives_no_score(generator):
    train, test = data(60, generator), data(20, generator)
    with pytest.raises(FloatingPointError, match=r"diverged.*lower lr=1e\+200"):
        linear_probe(*train, *test, epochs=9, lr=1e200, weight_decay=9, optimizer=torch.optim.SGD)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"labels": torch.arange(60) * 2**40}, ValueError, r"use labels\.unique"),
        ({"optimizer": torch.optim.SGD([torch.zeros(1)])}, TypeError, "must be a class such as"),
        ({"features": torch.full((60, 4), torch.nan)}, ValueError, "^features must be finite"),
    ],
)
def test_what_no_probe_can_be_trained_with_is_named(generator, change, error, match):
    (features, labels), (test_features, test_labels) = data(60, generator), data(3, generator)
    whole = {
        "features": features,
        "labels": labels,
        "test_features": test_features,
        "test_labels": test_labels,
    }
    with pytest.raises(error, match=match):
        linear_probe(**(whole | change))


def test_an_encoder_that_gives_no_rows_is_named():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(TypeError, match=r"encoder must return a tensor .*, got tuple"):
        extract_features(Pair().eval(), torch.zeros(4, 3, 2, 2), preprocess)
    with pytest.raises(TypeError, match="images must be a tensor, got a scalar"):
        extract_features(nn.Flatten().eval(), torch.tensor(1.0), preprocess)
