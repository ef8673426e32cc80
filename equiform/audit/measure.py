"""The report: fit, measure, judge."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equiform._extras import require
from equiform._options import check_count, check_flag
from equiform.audit.batches import Batches, ReportError
from equiform.audit.components import angles_of, component_name, group_name
from equiform.audit.embedding import Embedding, frozen
from equiform.audit.passes import Passes
from equiform.audit.result import Report, Row
from equiform.audit.save import save_report
from equiform.audit.statistics import HeldOutStatistics
from equiform.audit.verdicts import COLLAPSED, judge
from equiform.forms import Form, sigma
from equiform.functional import effective_rank_moments, relative_equivariance_moments
from equiform.functional._arguments import (
    check_callable,
    check_group_of,
    check_manifold,
    form_for,
    form_of,
)
from equiform.functional.spread import hides_collapse
from equiform.functional.wahba import root_ratio
from equiform.groups import IsometryGroup, Moments, Recovery
from equiform.groups.moments import trace
from equiform.groups.recovery import in_coordinates
from equiform.manifolds._base import EmbeddingManifold

#: Pulls T to the identity along directions that embeddings do not use, where the data leave it
#: open: with an arbitrary completion, T∘T would differ from the T of a∘a for no reason. It is above
#: the energy of float32 rounding, 1e-14, and moves W_f by 3e-5 at the very most.
ANCHOR = 1e-9


def report(
    encoder: Callable[[Any], Tensor],
    data: Any,
    transformations: Mapping[str, Callable[[Any], Any]],
    *,
    group: IsometryGroup | None = None,
    form: Form | None = None,
    manifold: EmbeddingManifold | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
    composition: bool = True,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Report:
    r"""Measure what an encoder f does with transformations a of its input.

    For each a, the isometry T with :math:`f(a x) \approx T f(x)` is fitted to one random half of
    the data and measured on the other, beside what shuffled pairs and T = I reach. Of the
    embeddings only d×d moments are kept: memory is that of one batch and its transforms,
    whatever N is.

    Args:
        encoder: maps a batch to embeddings ``(n, d)``. A module runs in eval mode; the modes it
            had are restored. A function around a module leaves that to you: call ``.eval()``.
        data: a tensor ``(N, ...)``, a map-style dataset or a DataLoader, of which the dataset and
            the ``collate_fn`` are taken. Of an item that is a tuple or list, the first element.
        transformations: by name; each maps a batch to a new batch of as many rows, and is *one
            fixed* transformation: give draws of a random one as entries of their own.
        group: where T is sought; unless given, the isometry group of the manifold, or else of the
            form, or else O(d), and U(d) for complex embeddings.
        form: the product that T preserves, in place of its group.
        manifold: the embeddings are ``manifold.project(encoder(x))`` where given. Errors are still
            those of the coordinates: on a hyperboloid, far points weigh more.
        collate: makes a batch of a list of whole items; torch's default unless given.
        composition: whether to measure the composition defect, which applies each a twice.
        batch_size: the most rows of a batch; the result depends on it by rounding only.
        device: where batches are moved, and the encoder if it is a module.
        out: folder for :func:`save_report`.
        seed: of the split and of the bootstrap.
        progress: whether to show a progress bar, which needs tqdm.

    Returns:
        The report; ``print`` shows it as a table.

    Raises:
        ReportError: the encoder, the data or a transformation is not as described above.
        TypeError: the group, form or manifold is something else.
        ValueError: two of them contradict each other.
        ImportError: ``out`` or ``progress`` needs a package that is not installed.
    """
    if not isinstance(transformations, Mapping) or not transformations:
        raise ReportError(
            "transformations must be a dict {name: function of a batch} with at least one entry, "
            f"got a {type(transformations).__name__}"
            + (" without any" if isinstance(transformations, Mapping) else "")
        )
    functions = {f"transformations[{name!r}]": f for name, f in transformations.items()}
    functions |= {"encoder": encoder} | ({} if collate is None else {"collate": collate})
    for name, function in functions.items():
        check_callable(name, function, "a function of a batch, or a module")
    for name in transformations:
        if not isinstance(name, str):
            raise ReportError(f"transformations must have strings as names, got {name!r}")
    check_flag("composition", composition)
    check_flag("progress", progress)
    seed = check_count("seed", seed, least=0)
    _check_geometry(group, form, manifold)
    if out is not None:
        require("matplotlib", extra="plots")  # not to miss it after all the work
    generator = torch.Generator().manual_seed(seed)
    batches = Batches(
        data, batch_size=batch_size, collate=collate, device=device, generator=generator
    )
    passes = Passes(batches, Embedding(encoder, manifold), transformations, progress)
    with frozen(encoder, device):
        empty = passes.start()
        if out is not None:
            _make_folder(out)
        if manifold is not None and group is None:
            group = manifold.isometry_group(empty.dim)
        elif group is None:
            group = form_for(empty.source, form, None).isometry_group(empty.dim)
        _check_group(group, empty)
        fits = {
            name: [group.recover_moments(m, anchor=ANCHOR) for m in moments]
            for name, moments in passes.fit(empty, composition=composition).items()
        }
        held_out = {
            name: HeldOutStatistics(once.matrix, shuffled.matrix, group.form, empty)
            for name, (once, shuffled, *_) in fits.items()
        }
        passes.measure(held_out, generator)
    moments = next(iter(held_out.values())).moments
    second_moment = in_coordinates(group.form, moments).source
    spectrum = torch.linalg.eigvalsh(second_moment).clamp_min(0).flip(0)
    rank = effective_rank_moments(second_moment).item()
    result = Report(
        rows=tuple(_row(name, group, fits[name], held_out[name]) for name in fits),
        group=group_name(group),
        dim=group.dim,
        num_fit=len(batches.fit),
        num_held_out=len(batches.held_out),
        effective_rank=rank,
        spectrum=tuple((spectrum / spectrum.sum().clamp_min(1e-300)).tolist()),
        warnings=_warnings(len(batches.fit), group.form, moments.source, rank),
        seed=seed,
    )
    if out is not None:
        save_report(result, out)
    return result


def _check_geometry(
    group: IsometryGroup | None, form: Form | None, manifold: EmbeddingManifold | None
) -> None:
    """Raise unless they are what they should be, and agree."""
    check_manifold(manifold, "form", "project", "isometry_group")
    form_of(form, manifold)
    check_group_of(group, form, manifold)


def _make_folder(out: str | os.PathLike[str]) -> None:
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except (OSError, TypeError) as error:
        raise ReportError(f"out={str(out)!r} cannot be a folder: {error}") from error


def _check_group(group: IsometryGroup, empty: Moments) -> None:
    if group.dim != empty.dim:
        raise ReportError(f"group is {group!r}, but the embeddings have d={empty.dim}")
    try:
        group.form.check_embedding(empty.source)
    except TypeError as error:
        raise ReportError(f"group is {group!r}: {error}") from error


def _row(name: str, group: IsometryGroup, fits: list[Recovery], held_out: HeldOutStatistics) -> Row:
    once, _, *twice = fits
    matrix, moments, numbers = once.matrix, held_out.moments, held_out.numbers()
    low, high = held_out.interval()
    return Row(
        name=name,
        verdict=judge(**numbers),
        low=low,
        high=high,
        relative_equivariance=relative_equivariance_moments(moments, group.form).item(),
        composition_defect=(
            _composition_defect(group, moments.source, matrix @ matrix, twice[0].matrix)
            if twice
            else None
        ),
        component=component_name(group, matrix),
        angles=angles_of(matrix) if group.is_compact else None,
        rank=int(once.rank),
        identifiable=bool(once.identifiable),
        matrix=matrix.cpu(),
        **numbers,
    )


def _composition_defect(
    group: IsometryGroup, moment: Tensor, composed: Tensor, direct: Tensor
) -> float:
    r""":math:`\lVert F (T_aT_a - T_{aa})^t h\rVert / \lVert Fh\rVert`, h the frame with F h least.

    It is of the very T that are reported; :func:`equiform.functional.composition_defect` fits all
    of them in the frame h, which for a compact group is the same. Lengths are those of the form's
    coordinates. ``moment`` is of F, ``composed`` and ``direct`` are :math:`T_aT_a` and
    :math:`T_{aa}`, all of shape ``(d, d)``.
    """
    h = group.balance(moment)
    parts = group.form.coordinates(torch.stack([(composed - direct).mT @ h, h]))
    return root_ratio(trace(sigma(parts) @ moment @ parts).clamp_min(0)).item()


def _warnings(num_fit: int, form: Form, second_moment: Tensor, rank: float) -> tuple[str, ...]:
    """What makes the numbers less than they seem; the rank is that of the embeddings."""
    warnings, d = [], len(second_moment)
    # Not of the points alone: far out on a hyperboloid they are almost one direction of space.
    gram_rank = effective_rank_moments(second_moment, form).item()
    rank = min(rank, gram_rank) if hides_collapse(form, d) else gram_rank
    if num_fit <= d:
        warnings.append(
            f"T is fitted to {num_fit} points in {d} dimensions, which some isometry nearly fits "
            f"whatever the encoder does; give more than {2 * d} items, better {20 * d}"
        )
    if d > 1 and rank < COLLAPSED:
        warnings.append(
            f"The embeddings, or all their products under {form}, have collapsed (effective rank "
            f"{rank:.2f} of {d}): W_f is small for any such encoder; read W_f/null"
        )
    return tuple(warnings)
