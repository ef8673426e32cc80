"""The command: ``equiform-report``, or ``python -m equiform.audit``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import operator
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from equiform.audit.batches import ReportError
from equiform.audit.measure import report
from equiform.manifolds import Hyperboloid, Sphere

MANIFOLDS = {"sphere": Sphere, "hyperboloid": Hyperboloid}

#: What has to be given.
SUBJECT = {
    "--encoder": (
        "MODULE:ATTRIBUTE",
        "a module or function from a batch to embeddings (n, d), or a function without arguments "
        "that makes one",
    ),
    "--data": (
        "FILE|MODULE:ATTRIBUTE",
        "a .npy array or .pt tensor (N, ...), whose floating-point numbers become torch's default "
        "dtype; or a tensor, dataset or DataLoader, or a function that makes one",
    ),
    "--transformations": (
        "MODULE:ATTRIBUTE",
        "a dict of functions from a batch to a batch, or a function that makes one",
    ),
}

DESCRIPTION = """\
Report what an encoder does with transformations of its input: whether it ignores each, represents
it by one isometry of the embeddings, or scrambles it. Prints a table and writes metrics.json and
index.html, a page that explains itself."""

EPILOG = """\
example, with encoder.py in the current directory:
  %(prog)s --encoder encoder:build --data images.npy \\
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


def main(arguments: Sequence[str] | None = None, prog: str = "equiform-report") -> int:
    """Run the command; exits with code 2 and one line on standard error for a user's error."""
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error(f"--seed must not be negative, got {options.seed}")
    # As for a script: modules of the current directory can be named.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        encoder = _load_attribute(options.encoder, "--encoder")
        if not callable(encoder):
            raise ReportError(f"--encoder: {options.encoder} must be a function, got {encoder!r}")
        result = report(
            encoder,  # pyright: ignore[reportArgumentType]
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


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, (metavar, text) in SUBJECT.items():
        parser.add_argument(option, required=True, metavar=metavar, help=text)
    add = parser.add_argument
    add("--manifold", choices=MANIFOLDS, help="project the embeddings to it")
    add("--batch-size", type=int, default=256, metavar="N", help="default 256")
    add("--device", type=_device, help="such as cpu or cuda")
    add("--seed", type=int, default=0, help="of the split; default 0")
    add("--out", type=Path, default=Path("runs/report"), metavar="FOLDER", help="runs/report")
    add("--no-composition", action="store_true", help="apply no transformation twice: faster")
    add("--no-progress", action="store_true", help="show no progress bar")
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
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Only the module itself: one that it misses in turn is its own affair.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ReportError(
            f"{option}: there is no module {module_name!r} in {os.getcwd()} or on the path"
        ) from error
    try:
        found = operator.attrgetter(path)(module)
    except AttributeError as error:
        raise ReportError(f"{option}: {module_name!r} has no attribute {path!r}") from error
    return found() if _is_factory(found) else found


def _is_factory(found: Any) -> bool:
    if isinstance(found, nn.Module | Tensor) or not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):  # an argument is missing; a builtin that does not tell
        return False
    return True
