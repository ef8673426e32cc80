"""The image figures of the CARE paper, each from runs that it trains where they are not found.

    python examples/cifar_figures.py wahba                   # coloured shapes
    python examples/cifar_figures.py training --runs runs/cifar_care --seeds 0 1 2
    python examples/cifar_figures.py retrieval --data DIR --dataset flowers
    python examples/cifar_figures.py losses --data DIR --dataset cifar10 --preset cifar10-simclr

Beside ``OUT/FIGURE.png`` stands ``OUT/FIGURE.json`` with its numbers. Runs are kept in --runs, and
those of ``cifar_care.py`` with the same settings are found there. Train large ones with that
script, which runs on several GPUs; this one is a single process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from equiform.augment import ColorJitter
from equiform.training import CheckpointError, join_processes, versions, write_json
from images import plots
from images.command_line import add_data, add_settings, changed, parse, read
from images.figures import cosine_distribution, positive_cosines, retrieve, wahba_distribution
from images.moved import Moved, draw_transformations, embed_moved
from images.parts import build_augmentation
from images.runs import Run, Runs
from images.settings import PRESETS, Settings
from images.train import evaluate_images

NUM_AUGMENTATIONS = 20
NUM_JITTERS = 5
NUM_REFERENCE = 4096  # training images, at most, that the rotation of a jitter is fitted to
SIMCLR_CARE = ("simclr", "care-simclr")
SUMS = ("equi", "inv", "unif", "inv+equi", "unif+equi", "inv+unif", "inv+unif+equi")
SIX_LOSSES = ("equi", "inv", "unif", "unif+equi", "simclr", "care-simclr")
WEIGHTS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # λ

Results = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Study:
    """The runs of one data set, and how a figure is made of them."""

    runs: Runs
    base: Settings
    seeds: Sequence[int]
    png: Path

    def methods(self, *names: str, **changes: Any) -> dict[str, Settings]:
        """Runs that differ by their method."""
        return {name: replace(self.base, method=name, **changes) for name in names}

    def measure(
        self, labelled: Mapping[str, Settings], function: Callable[[Run], dict[str, Any]]
    ) -> Results:
        """What a function measures of each run, by label and seed."""
        results: Results = {label: [] for label in labelled}
        for label, settings in labelled.items():
            for seed in self.seeds:
                run = self.runs.get(settings, seed)
                about = {"seed": seed, "folder": run.folder.name, "settings": settings.plain()}
                results[label].append(about | function(run))
        return results

    def images(self) -> Tensor:
        """The test images that are measured on."""
        images = self.runs.splits.test.images[: self.base.measured_images or None]
        return images.to(self.runs.device)

    def augmented(self, run: Run) -> Moved:
        """Embeddings of the test images before and after 20 augmentations."""
        augmentation = build_augmentation(run.settings)
        parameters = draw_transformations(augmentation, NUM_AUGMENTATIONS)
        return embed_moved(run.encoder, self.images(), augmentation, parameters)


def wahba(study: Study) -> Results:
    """Fig. 2c: W_f of 20 augmentations of the test images, over O(d) and over SO(d)."""
    results = study.measure(
        study.methods(*SIMCLR_CARE), lambda run: wahba_distribution(study.augmented(run))
    )
    plots.plot_wahba(results, study.png)
    return results


def retrieval(study: Study) -> Results:
    """Fig. 4: test images as they look under 5 colour jitters, found by turning f(x) and not x.

    The rotation of each jitter is fitted to training images; ``retrieve`` says what is measured.
    """
    jitter = ColorJitter(0.4, 0.4, 0.4, 0.1)  # SimCLR's, of every image
    parameters = draw_transformations(jitter, NUM_JITTERS)
    splits, images = study.runs.splits, study.images()
    labels = splits.test.labels[: len(images)].to(images.device)
    reference = splits.train.images[:NUM_REFERENCE].to(images.device)

    def measure(run: Run) -> dict[str, Any]:
        fitted_to, moved = (
            embed_moved(run.encoder, part, jitter, parameters) for part in (reference, images)
        )
        return retrieve(fitted_to, moved, labels)

    results = study.measure(study.methods(*SIMCLR_CARE), measure)
    plots.plot_retrieval(results, images.cpu(), jitter, parameters, study.png)
    return results


def training(study: Study) -> Results:
    """Fig. 5: γ_b, γ_f (validation images) and L_inv (training images) over training."""
    every = min(study.base.measure_every, max(1, study.base.epochs // 20))
    names = ("gamma_b", "gamma_f", "invariance")
    results = study.measure(
        study.methods(*SIMCLR_CARE, measure_every=every),
        lambda run: {name: run.series(name) for name in names},
    )
    plots.plot_training(results, study.png)
    return results


def circle(study: Study) -> Results:
    """Fig. 6: encoders onto the circle: cosine of f(x) and f(a x) for 20 fixed augmentations a."""
    runs = study.methods(*SIMCLR_CARE, head=(*study.base.head[:-1], 2))
    results = study.measure(runs, lambda run: cosine_distribution(study.augmented(run)))
    plots.plot_circle(results, study.png)
    return results


def losses(study: Study) -> Results:
    """Fig. 7: linear probe of L_equi, L_inv, L_unif and their sums."""
    splits = study.runs.splits
    results = study.measure(
        study.methods(*SUMS), lambda run: evaluate_images(run.encoder, run.settings, splits)
    )
    chance = splits.test.labels.bincount().max().item() / len(splits.test)
    plots.plot_losses(results, chance, study.png)
    return results


def weight(study: Study) -> Results:
    """Fig. 8: linear probe and W_f by λ, beside SimCLR, which is without the term."""
    swept = {f"{λ:g}": replace(study.base, method="care-simclr", weight=λ) for λ in WEIGHTS}
    results = study.measure(
        study.methods("simclr") | swept,
        lambda run: evaluate_images(run.encoder, run.settings, study.runs.splits),
    )
    plots.plot_weights(results, study.png)
    return results


def similarity(study: Study) -> Results:
    """Fig. 9-14: cosine of positive pairs by loss, at the end and its mean over training.

    The latter is from the log, of the pairs of the contrastive term; of L_equi alone of its own.
    """

    def measure(run: Run) -> dict[str, Any]:
        augmentation = build_augmentation(run.settings)
        return {
            **positive_cosines(run.encoder, study.images(), augmentation),
            "over_training": run.series("positive_cosine"),
        }

    results = study.measure(study.methods(*SIX_LOSSES), measure)
    plots.plot_similarity(results, study.png)
    return results


FIGURES = {f.__name__: f for f in (wahba, retrieval, training, circle, losses, weight, similarity)}
#: Settings that the command line can change.
OPTIONS = ("epochs", "batch_size", "width", "num_chunks", "probe_epochs", "measured_images")


def make(arguments: argparse.Namespace) -> Path:
    """Draw a figure, write its numbers beside it, and return its path."""
    base = replace(PRESETS[arguments.preset][-1], **changed(arguments))
    splits = read(arguments, base)
    png = arguments.out / f"{arguments.figure}.png"
    runs = Runs(
        arguments.runs or arguments.out / "runs", splits, arguments.dataset, arguments.device
    )
    results = FIGURES[arguments.figure](Study(runs, base, arguments.seeds, png))
    record = {
        "figure": arguments.figure,
        "about": FIGURES[arguments.figure].__doc__,
        "dataset": arguments.dataset,
        "limit": arguments.limit,
        "seeds": arguments.seeds,
        "versions": versions(),
        "results": results,
    }
    write_json(png.with_suffix(".json"), record)
    return png


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    about = [
        f"  {name:11} {(figure.__doc__ or '').splitlines()[0]}" for name, figure in FIGURES.items()
    ]
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="\n".join(["figures:", *about]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("figure", choices=FIGURES, metavar="FIGURE", help="see below")
    add_data(parser)
    add("--seeds", type=int, nargs="+", default=[0], metavar="SEED", help="of runs; 0 unless given")
    add("--runs", type=Path, help="folder of runs, found or trained; OUT/runs unless given")
    add("--out", type=Path, default=Path("runs/cifar_figures"), help="folder for figures")
    add_settings(parser, OPTIONS)
    return parse(parser, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Make one figure from the command line."""
    arguments = parse_arguments(argv)
    try:
        with join_processes(arguments.device) as arguments.device:
            png = make(arguments)
    except (CheckpointError, FloatingPointError, ImportError, OSError, ValueError) as error:
        print(f"cifar_figures: error: {error}", file=sys.stderr)
        return 2
    print(f"Written to {png} and {png.with_suffix('.json').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
