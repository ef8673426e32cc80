"""The command: ``python -m equiform.report``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from equiform.manifolds import Hyperboloid, Sphere
from equiform.report.batches import ReportError
from equiform.report.measure import report

MANIFOLDS = {"sphere": Sphere, "hyperboloid": Hyperboloid}

DESCRIPTION = """\
Report what an encoder does with transformations of its input: whether it ignores each, represents
it by one isometry of the embeddings, or scrambles it. Prints a table and writes metrics.json and
index.html, a page that explains itself."""

EPILOG = """\
example, with encoder.py in the current directory:
  python -m equiform.report --encoder encoder:build --data images.npy \\
      --transformations encoder:transformations --out runs/report

where encoder.py holds

  def build():                      # or encoder = ..., a module or a function of a batch
      model = MyEncoder()
      model.load_state_dict(torch.load("weights.pt"))
      return model

  transformations = {               # each one fixed function, from a batch to a batch
      "flip": lambda x: x.flip(-1),
      "turn by 90°": lambda x: x.rot90(1, (-2, -1)),
  }"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exits with code 2 and one line on standard error for a user's error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    # As for a script: modules of the current directory can be named.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        result = report(
            _load_attribute(options.encoder, "--encoder"),
            _load_data(options.data),
            _load_attribute(options.transformations, "--transformations"),
            manifold=MANIFOLDS[options.manifold]() if options.manifold else None,
            composition=not options.no_composition,
            batch_size=options.batch_size,
            device=options.device,
            out=options.out,
            seed=options.seed,
            progress=not options.no_progress,
        )
    except (ReportError, ImportError) as error:
        parser.error(str(error))
    print(result)
    print(f"\nThe page is {options.out / 'index.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m equiform.report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="MODULE:ATTRIBUTE",
        help="a module or function from a batch to embeddings (n, d), or a function without "
        "arguments that makes one",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE|MODULE:ATTRIBUTE",
        help="a .npy array or .pt tensor (N, ...), whose floating-point numbers become torch's "
        "default dtype; or a tensor, dataset or DataLoader, or a function that makes one",
    )
    parser.add_argument(
        "--transformations",
        required=True,
        metavar="MODULE:ATTRIBUTE",
        help="a dict of functions from a batch to a batch, or a function that makes one",
    )
    parser.add_argument("--manifold", choices=MANIFOLDS, help="project the embeddings to it")
    parser.add_argument("--batch-size", type=int, default=256, metavar="N", help="default 256")
    parser.add_argument("--device", type=_device, help="such as cpu or cuda")
    parser.add_argument("--seed", type=int, default=0, help="of the split; default 0")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/report"), metavar="FOLDER", help="runs/report"
    )
    parser.add_argument(
        "--no-composition", action="store_true", help="do not apply transformations twice: faster"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    return parser


def _device(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # unknown, and not compiled in
        raise argparse.ArgumentTypeError(f"{name!r} is no device here: {error}") from error


def _load_data(name: str) -> Any:
    if not name.endswith((".npy", ".pt")):
        return _load_attribute(name, "--data")
    try:
        if name.endswith(".npy"):
            data = torch.from_numpy(np.load(name, allow_pickle=False))
        else:
            data = torch.load(name, map_location="cpu", weights_only=True)
    except Exception as error:  # numpy, pickle and zip raise many kinds
        raise ReportError(f"--data: cannot read {name}: {error}") from error
    if not isinstance(data, Tensor):
        raise ReportError(
            f"--data: {name} must hold one tensor, got {type(data).__name__}; load it in a "
            "function and give that as MODULE:ATTRIBUTE"
        )
    return data.to(torch.get_default_dtype()) if data.is_floating_point() else data


def _load_attribute(name: str, option: str) -> Any:
    """What ``module:attribute`` names, called if it is a function that needs no argument."""
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise ReportError(f"{option} must be MODULE:ATTRIBUTE, got {name!r}")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Only the module itself: one that it misses in turn is its own affair.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ReportError(
            f"{option}: there is no module {module_name!r} in {os.getcwd()} or on the path"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ReportError(f"{option}: {module_name!r} has no attribute {path!r}")
        found = getattr(found, part)
    return found() if _is_factory(found) else found


def _is_factory(found: Any) -> bool:
    if isinstance(found, nn.Module | Tensor) or not callable(found):
        return False
    try:
        parameters = inspect.signature(found).parameters.values()
    except ValueError:  # a builtin that does not tell
        return False
    required = (p for p in parameters if p.default is p.empty)
    return all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in required)
