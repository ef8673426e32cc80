"""What a run on images is made of: its settings, and those of the paper.

Where the paper (Gupta et al., ICLR 2024, F.3) and its released code differ, the presets take:

* **Whom an equivariance transformation is shared by**: a chunk, as Algorithm 1; the code draws one
  pair for the whole batch (``one_pair``).
* **λ of CIFAR-10**: 0.01, as the paper; the script has 0.03.
* **Scale of λ**: that of the code (``normalization="care"``), which the values of the paper are on.
* **STL-10**: 96×96 with the ImageNet stem, as the architecture asks; the code shrinks to 32×32. SGD
  with momentum 0.9; the code has none.
* **Which checkpoint**: the last one; the code takes the best on the kNN of the test set.
* **Validation**: a share of the training images is held out for kNN while training; the paper has
  none. Set it to 0 to train on all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

#: Methods that are other names of sums of terms.
ALIASES = {"care-simclr": "simclr+equi", "care-moco": "moco+equi"}
TERMS = ("simclr", "moco", "inv", "unif", "equi")
_MAY_BE_ZERO = ("warmup_epochs", "measured_images")


@dataclass(frozen=True)
class Settings:
    """Settings of one run, plain data.

    Attributes:
        method: terms of the loss joined by ``+``, of ``simclr``, ``moco``, ``inv`` (L_inv),
            ``unif`` (L_unif) and ``equi`` (L_equi); ``care-simclr`` and ``care-moco`` are
            ``simclr+equi`` and ``moco+equi``.
        blocks: of the ResNet, a stage each; (2, 2, 2, 2) is ResNet-18, and with `bottleneck`
            (3, 4, 6, 3) is ResNet-50.
        width: of its first stage.
        cifar_stem: of :class:`equiform.nn.ResNet`.
        head: hidden widths of the projection head and dimension of the embedding.
        manifold: of the embeddings, ``sphere`` or ``hyperboloid``.
        image_size: side in pixels.
        crop: least share of the area that a crop takes.
        blur: kernel of the blur, odd.
        epochs: of training.
        batch_size: over all processes.
        optimizer: ``adam``, ``adamw`` or ``sgd`` (momentum 0.9).
        learning_rate: of the optimizer.
        weight_decay: of the optimizer.
        schedule: ``constant``, ``cosine`` or ``multistep`` (×0.1 at 60 % and 80 %).
        warmup_epochs: of the cosine schedule.
        accumulate: batches a step; the losses see one batch at a time.
        temperature: τ of the contrastive term.
        weight: λ of the equivariance term.
        normalization: scale of λ, ``care``, ``pairs`` (on the sphere ``care`` is 2m times as much
            for chunks of m images) or ``relative`` (which the hyperboloid asks for).
        num_chunks: in how many parts a batch shares transformations.
        one_pair: one pair of transformations for the whole batch, as the released code.
        moco_momentum: of the key encoder of MoCo.
        queue_size: of MoCo, in embeddings.
        precision: of the encoder while it is trained, ``float32`` or ``bfloat16``.
        channels_last: memory format of the encoder.
        compile: by ``torch.compile``.
        sync_batch_norm: batch norms over all processes; CUDA only.
        validation: share of the training images to hold out for kNN.
        measure_every: epochs from one kNN to the next.
        probe_epochs: of the linear probe.
        probe_batch_size: of the linear probe.
        probe_learning_rate: of the linear probe.
        probe_optimizer: ``adam`` (weight decay 1e-6) or ``sgd`` (momentum 0.9).
        probe_milestones: epochs of the probe after which its learning rate is a tenth.
        measured_images: test images that equivariance is measured on; 0 for all.
    """

    method: str = "care-simclr"
    bottleneck: bool = False
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    width: int = 8
    cifar_stem: bool = True
    head: tuple[int, ...] = (64, 16)
    manifold: Literal["sphere", "hyperboloid"] = "sphere"
    image_size: int = 32
    crop: float = 0.2
    blur: int = 3
    epochs: int = 12
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    schedule: Literal["constant", "cosine", "multistep"] = "constant"
    warmup_epochs: int = 0
    temperature: float = 0.5
    weight: float = 0.01
    normalization: Literal["care", "pairs", "relative"] = "care"
    num_chunks: int = 16
    one_pair: bool = False
    moco_momentum: float = 0.99
    queue_size: int = 4096
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    compile: bool = False
    sync_batch_norm: bool = False
    validation: float = 0.1
    measure_every: int = 10
    probe_epochs: int = 100
    probe_batch_size: int = 512
    probe_optimizer: Literal["adam", "sgd"] = "adam"
    probe_learning_rate: float = 1e-3
    probe_milestones: tuple[int, ...] = ()
    measured_images: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.terms) - set(TERMS)
        if unknown or ("moco" in self.terms and {"simclr", "inv", "unif"} & set(self.terms)):
            raise ValueError(
                f"method must be terms of {', '.join(TERMS)} joined by +, moco with none but equi, "
                f"or {' or '.join(ALIASES)}; got {self.method!r}"
            )
        for name, kind in get_type_hints(type(self)).items():
            value, allowed = getattr(self, name), get_args(kind)
            if get_origin(kind) is Literal and value not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {value!r}")
            if kind is int and value < (least := int(name not in _MAY_BE_ZERO)):
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs must be fewer than epochs, got {self.warmup_epochs} of "
                f"{self.epochs}"
            )

    def plain(self) -> dict[str, Any]:
        """As numbers, strings and lists, for checkpoints and JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def of_plain(cls, data: Mapping[str, Any]) -> Self:
        """What :meth:`plain` was made from."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**values)

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the loss."""
        return tuple(ALIASES.get(self.method, self.method).split("+"))


#: ResNet-50 and the projector of the paper, 2048 → 512 → 128.
_RESNET50 = Settings(
    bottleneck=True,
    blocks=(3, 4, 6, 3),
    width=64,
    head=(512, 128),
    epochs=400,
    batch_size=256,
    precision="bfloat16",
)
_PAPER = {
    "cifar10": replace(_RESNET50, num_chunks=16, weight=0.01),
    "cifar100": replace(_RESNET50, num_chunks=4, weight=0.001),
    "stl10": replace(
        _RESNET50,
        image_size=96,
        cifar_stem=False,
        blur=9,
        optimizer="sgd",
        learning_rate=0.06,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_epochs=10,
        num_chunks=8,
        weight=0.01,
    ),
    # Weight decay is MoCo-v2's: the paper does not say.
    "imagenet100": replace(
        _RESNET50,
        image_size=224,
        cifar_stem=False,
        blur=23,
        epochs=200,
        batch_size=512,
        optimizer="sgd",
        learning_rate=0.8,
        weight_decay=1e-4,
        schedule="cosine",
        temperature=0.2,
        num_chunks=4,
        weight=0.005,
        queue_size=65536,
        probe_epochs=60,
        probe_batch_size=128,
        probe_optimizer="sgd",
        probe_learning_rate=30.0,
        probe_milestones=(30, 40, 50),
    ),
}
#: What MoCo-v2 is given where it is not what SimCLR is.
_MOCO: dict[str, dict[str, Any]] = {
    "cifar10": {"temperature": 0.1},
    "cifar100": {"temperature": 0.1},
    "stl10": {"temperature": 0.1},
    "imagenet100": {"num_chunks": 8, "weight": 0.01},
}


def _of_paper(dataset: str) -> dict[str, tuple[Settings, ...]]:
    simclr = replace(_PAPER[dataset], method="simclr")
    moco = replace(simclr, method="moco", **_MOCO[dataset])
    runs = (
        simclr,
        replace(simclr, method="care-simclr"),
        moco,
        replace(moco, method="care-moco"),
    )
    return {f"{dataset}-{run.method}": (run,) for run in runs}


def _compared(settings: Settings) -> tuple[Settings, ...]:
    return replace(settings, method="simclr"), replace(settings, method="care-simclr")


#: By name the runs that are compared. Those of the paper are one run each.
PRESETS: dict[str, tuple[Settings, ...]] = {
    "synthetic": _compared(
        Settings(
            epochs=6,
            learning_rate=3e-3,
            schedule="cosine",
            weight=0.1,
            probe_learning_rate=1e-2,
        )
    ),
    # The paper's settings where its encoder does not matter; for minutes on one GPU.
    "cifar10-resnet18": _compared(
        Settings(
            blocks=(2, 2, 2, 2),
            width=64,
            head=(512, 128),
            epochs=30,
            batch_size=256,
            schedule="cosine",
            precision="bfloat16",
            measured_images=2000,
            measure_every=5,
        )
    ),
    # docs/results/cifar.md says how it was chosen. In bfloat16, which is faster on a CPU that
    # multiplies in it.
    "cifar10-small": _compared(
        Settings(
            head=(256, 8),
            epochs=10,
            batch_size=64,
            learning_rate=3e-3,
            schedule="cosine",
            temperature=0.2,
            weight=0.2,
            num_chunks=8,
            precision="bfloat16",
            measured_images=2000,
            measure_every=1,
        )
    ),
}
for _dataset in _PAPER:
    PRESETS.update(_of_paper(_dataset))
