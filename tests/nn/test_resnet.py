"""ResNets: the names and shapes of torchvision, its initialisation, and each option."""

from functools import partial

import pytest
import torch
from torch import nn

from equiform.nn import BasicBlock, Bottleneck, ResNet, resnet18, resnet50

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm(name, channels):
    return {f"{name}.{k}": () if k == "num_batches_tracked" else (channels,) for k in NORM}


def torchvision_shapes(kernels, expansion, layers, width, stem):
    """Names and shapes of a torchvision ResNet's state, in its order and without `fc`."""
    shapes = {"conv1.weight": (width, 3, stem, stem), **norm("bn1", width)}
    before = width
    for stage, depth in enumerate(layers):
        inner = width * 2**stage
        after = inner * expansion
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            sizes = [before] + [inner] * (len(kernels) - 1) + [after]
            for i, kernel in enumerate(kernels):
                shapes[f"{name}.conv{i + 1}.weight"] = (sizes[i + 1], sizes[i], kernel, kernel)
                shapes |= norm(f"{name}.bn{i + 1}", sizes[i + 1])
            if block == 0 and (stage > 0 or before != after):
                shapes[f"{name}.downsample.0.weight"] = (after, before, 1, 1)
                shapes |= norm(f"{name}.downsample.1", after)
            before = after
    return shapes


@pytest.mark.parametrize(("cifar_stem", "stem"), [(False, 7), (True, 3)])
@pytest.mark.parametrize("width", [8, 64])
@pytest.mark.parametrize(
    ("make", "kernels", "expansion", "layers"),
    [(resnet18, (3, 3), 1, (2, 2, 2, 2)), (resnet50, (1, 3, 1), 4, (3, 4, 6, 3))],
    ids=["resnet18", "resnet50"],
)
def test_the_state_is_that_of_torchvision(
    make, kernels, expansion, layers, width, cifar_stem, stem
):
    with torch.device("meta"):
        encoder = make(width=width, cifar_stem=cifar_stem)
    shapes = {name: tuple(x.shape) for name, x in encoder.state_dict().items()}
    expected = torchvision_shapes(kernels, expansion, layers, width, stem)
    assert list(shapes.items()) == list(expected.items())
    assert encoder.out_features == 8 * width * expansion


@pytest.mark.parametrize(
    ("make", "count", "with_fc"),
    [(resnet18, 11_176_512, 11_689_512), (resnet50, 23_508_032, 25_557_032)],
)
def test_parameter_counts_are_the_published_ones(make, count, with_fc):
    with torch.device("meta"):
        encoder = make()
        assert sum(p.numel() for p in encoder.parameters()) == count
        encoder.fc = nn.Linear(encoder.out_features, 1000)
    assert sum(p.numel() for p in encoder.parameters()) == with_fc


def test_weights_with_a_classifier_load_once_it_is_left_out():
    source, encoder = resnet18(width=2), resnet18(width=2)
    source.fc = nn.Linear(source.out_features, 10)
    weights = source.state_dict()
    with pytest.raises(RuntimeError, match=r"fc\.weight"):
        encoder.load_state_dict(weights)
    encoder.load_state_dict({k: v for k, v in weights.items() if not k.startswith("fc.")})
    source.fc = nn.Identity()
    x = torch.randn(2, 3, 40, 40)
    assert torch.equal(encoder.eval()(x), source.eval()(x))


def reference(state, x, kernels, layers, *, cifar_stem):
    """Forward pass in eval mode, from the weights alone."""
    f = nn.functional

    def conv(x, name, stride=1):
        weight = state[f"{name}.weight"]
        return f.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def bn(x, name):
        mean, var, scale, shift = (
            state[f"{name}.{key}"].view(-1, 1, 1)
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = bn(conv(x, "conv1", 1 if cifar_stem else 2), "bn1").relu()
    if not cifar_stem:
        x = f.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(layers):
        for i in range(depth):
            name = f"layer{stage + 1}.{i}"
            stride = 2 if stage and not i else 1
            y, strided = x, kernels.index(3)  # the first 3×3 convolution has the stride
            for j in range(len(kernels)):
                y = bn(
                    conv(y, f"{name}.conv{j + 1}", stride if j == strided else 1),
                    f"{name}.bn{j + 1}",
                )
                y = y.relu() if j + 1 < len(kernels) else y
            if f"{name}.downsample.0.weight" in state:
                x = bn(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = (x + y).relu()
    return x.mean((-2, -1))


@pytest.mark.parametrize("cifar_stem", [False, True])
@pytest.mark.parametrize(
    ("block", "kernels", "layers"),
    [(BasicBlock, (3, 3), (1, 2, 1, 1)), (Bottleneck, (1, 3, 1), (2, 1, 1, 1))],
)
def test_the_forward_pass_is_the_definition(block, kernels, layers, cifar_stem, dtype):
    encoder = ResNet(block, layers, width=3, cifar_stem=cifar_stem).to(dtype).eval()
    for name, x in encoder.state_dict().items():  # no norm is the identity
        if ("bn" in name or "downsample.1" in name) and x.is_floating_point():
            x.uniform_(0.5, 1.5)
    for shape in ((1, 3, 32, 32), (3, 3, 37, 29)):
        x = torch.randn(*shape, dtype=dtype)
        z = encoder(x)
        assert z.shape == (len(x), encoder.out_features)
        expected = reference(encoder.state_dict(), x, kernels, layers, cifar_stem=cifar_stem)
        tolerance = 1e4 * torch.finfo(dtype).eps
        torch.testing.assert_close(z, expected, rtol=tolerance, atol=tolerance)
        z_strided = encoder(x.transpose(-1, -2).contiguous().transpose(-1, -2))
        torch.testing.assert_close(z_strided, z, rtol=tolerance, atol=tolerance)


def test_channels_last_gives_the_same_features_and_gradients():
    encoder = resnet18(width=4, cifar_stem=True).double()
    x = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    encoder(x).square().sum().backward()
    gradients = [p.grad.clone() for p in encoder.parameters()]
    encoder.zero_grad()
    last = encoder.to(memory_format=torch.channels_last)
    last(x.to(memory_format=torch.channels_last)).square().sum().backward()
    for p, expected in zip(last.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("make", "last"), [(resnet18, "bn2"), (resnet50, "bn3")])
def test_zero_init_makes_each_block_its_shortcut(make, last):
    for zero in (False, True):
        state = make(width=2, zero_init_residual=zero).state_dict()
        for name, x in state.items():
            if name.endswith(f"{last}.weight"):
                assert (x == (0 if zero else 1)).all()
            elif "bn" in name and name.endswith("weight"):
                assert (x == 1).all()
    encoder = make(width=2, zero_init_residual=True)
    block = encoder.layer1[1].eval()
    x = torch.rand(2, encoder.layer1[0](torch.rand(2, 2, 8, 8)).shape[1], 8, 8)
    assert torch.equal(block(x), x)  # positive, so that the last ReLU passes it


def test_convolutions_begin_with_the_variance_of_he():
    encoder = resnet18(width=16)
    for name, p in encoder.named_parameters():
        if p.ndim == 4:
            fan_out = p.shape[0] * p.shape[2] * p.shape[3]
            # Five standard deviations of the sample variance of n normal numbers.
            bound = 5 * (2 / p.numel()) ** 0.5
            assert float(p.detach().square().mean()) * fan_out / 2 == pytest.approx(1, abs=bound), (
                name
            )


def test_only_train_mode_moves_the_running_statistics():
    encoder = resnet18(width=2, cifar_stem=True).eval()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    x = torch.randn(4, 3, 32, 32)
    whole = encoder(x)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    torch.testing.assert_close(encoder(x[:1]), whole[:1])  # no image sees another
    encoder.train()(x)
    moved = [k for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])]
    assert moved
    assert {k.rsplit(".", 1)[1] for k in moved} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (partial(ResNet, BasicBlock, (1, 1, 1)), ValueError, "layers must be the depths of four"),
        (partial(ResNet, BasicBlock, None), ValueError, "layers must be the depths of four"),
        (partial(ResNet, BasicBlock, (1, 0, 1, 1)), ValueError, "layers must be at least 1"),
        (partial(ResNet, BasicBlock, "1111"), TypeError, "layers must be an int, got '1'"),
        (partial(ResNet, BasicBlock(4, 4), (1, 1, 1, 1)), TypeError, "block must be the class"),
        (partial(ResNet, "basic", (1, 1, 1, 1)), TypeError, "block must be the class"),
        (partial(resnet18, width=0), ValueError, "width must be at least 1, got width=0"),
        (partial(resnet18, width=2.5), TypeError, "width must be an int"),
        (partial(resnet18, cifar_stem="no"), TypeError, "cifar_stem must be True or False"),
        (partial(resnet50, zero_init_residual="no"), TypeError, "zero_init_residual must be True"),
        (partial(BasicBlock, 4, 4, stride="2"), TypeError, "stride must be an int, got '2'"),
        (partial(Bottleneck, 4, True), TypeError, "width must be an int, got True"),
    ],
)
def test_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()


IMAGES = torch.rand(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (
            (255 * IMAGES).byte(),
            TypeError,
            r"x must be floating-point, got torch\.uint8; use x",
        ),
        (IMAGES.long(), TypeError, r"x must be floating-point, got torch\.int64"),
        (IMAGES.cfloat(), TypeError, r"x must be floating-point, got torch\.complex64"),
        (IMAGES.double(), TypeError, r"x must be torch\.float32, .* got torch\.float64; use x\.to"),
        (IMAGES[:, :1], ValueError, r"x must have shape \(n, 3, h, w\), got \(2, 1, 8, 8\)"),
        (IMAGES[0], ValueError, r"x must have shape \(n, 3, h, w\), got \(3, 8, 8\)"),
        (IMAGES[..., :0], ValueError, r"x must have shape .* got \(2, 3, 8, 0\)"),
        (IMAGES[:0], ValueError, r"two values a channel .* got \(0, 3, 8, 8\); use a larger batch"),
        (IMAGES[:1], ValueError, r"two values a channel .* got \(1, 3, 8, 8\)"),
        (IMAGES.to("meta"), ValueError, "x must be on cpu, as the module is, got meta"),
        (IMAGES.numpy(), TypeError, r"x must be a tensor \(n, 3, h, w\), got ndarray; use torch"),
        (None, TypeError, r"x must be a tensor \(n, 3, h, w\), got NoneType$"),
    ],
)
def test_what_are_no_images_is_refused(x, error, match):
    block = BasicBlock(3, 3, stride=8)
    for module in (resnet18(width=2, cifar_stem=True), block, Bottleneck(3, 3, stride=8)):
        with pytest.raises(error, match=match):
            module(x)


def test_what_autocast_casts_is_taken():
    encoder = resnet18(width=2, cifar_stem=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encoder(IMAGES.bfloat16()).isfinite().all()
        with pytest.raises(TypeError, match=r"x must be torch\.float32"):
            encoder(IMAGES.double())


def test_nan_stays_in_its_image():
    encoder = resnet18(width=2, cifar_stem=True).eval()
    images = IMAGES.clone()
    images[1, 0, 3, 3] = torch.nan
    assert encoder(images).isnan().all(1).tolist() == [False, True]


@pytest.mark.slow
def test_it_compiles():
    encoder = resnet18(width=2, cifar_stem=True)
    compiled = torch.compile(encoder, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(IMAGES), encoder(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 5), (1, 1)])
def test_a_narrow_shortcut_is_a_strided_convolution(height, width):
    shortcut = BasicBlock(4, 6, stride=2).downsample[0].double()
    # Not in channels-last: there torch's own is what the shortcut keeps away from.
    x = torch.randn(3, 4, height, width, dtype=torch.float64, requires_grad=True)
    strided = nn.functional.conv2d(x, shortcut.weight, stride=2)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        result = shortcut(x.contiguous(memory_format=memory_format))
        cotangent = torch.randn_like(result)
        of = (x, shortcut.weight)
        for got, expected in zip(
            (result, *torch.autograd.grad(result, of, cotangent)),
            (strided, *torch.autograd.grad(strided, of, cotangent, retain_graph=True)),
            strict=True,
        ):
            # Sums of 4 products forward and of up to 48 backward.
            torch.testing.assert_close(got, expected, rtol=0, atol=48 * 2**-52 * 4)
