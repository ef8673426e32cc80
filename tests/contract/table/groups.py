"""Groups: fits, exponentials, and what is asked of a matrix."""

from typing import Any

import torch

from equiform import Joint, Moments
from equiform.groups import FramedGroup, IsometryGroup
from tests.cases import GROUPS
from tests.contract.call import Call, numbers

FAST = {0, 1, 2, 7, 8, 13}


def _clouds(group: IsometryGroup):
    """Points that span the space, however many are asked for, and their images."""

    def make(n, d):
        complex_ = group.form.sesquilinear
        source = numbers(n, d, complex_=complex_)
        t = group.sample(
            generator=torch.Generator().manual_seed(1), dtype=source.dtype, rapidity=0.5
        )
        return {"source": source, "target": source @ t.mT}

    return make


def _noisy(group: IsometryGroup):
    def make(n, d):
        inputs = _clouds(group)(n, d)
        noise = numbers(n, d, seed=2, complex_=group.form.sesquilinear)
        return inputs | {"target": inputs["target"] + 0.1 * noise}

    return make


def _matrix(group: IsometryGroup, name: str, kind: str):
    def make(n, d):
        generator = torch.Generator().manual_seed(1)
        dtype = torch.complex128 if group.form.sesquilinear else torch.float64
        if kind == "element":
            return {name: group.sample(generator=generator, dtype=dtype, rapidity=0.5)}
        m = numbers(d, d, complex_=group.form.sesquilinear)
        if kind == "algebra":
            return {name: group.project_algebra(m) / 2}
        if kind == "positive":
            return {name: m.mH @ m + torch.eye(d)}
        t = group.sample(generator=generator, dtype=dtype, rapidity=0.5)
        if isinstance(group.form, Joint):
            return {name: 1.1 * t}
        # The second factor is its own adjoint: so t is the polar factor.
        own = m + group.form.adjoint(m)  # type: ignore[union-attr]
        return {name: t @ (torch.eye(d) + 0.1 * own / torch.linalg.matrix_norm(own, 2))}

    return make


def _calls(group: IsometryGroup, whole: bool) -> list[Call]:
    def call(method, inputs, **options):
        return Call(
            **{
                "name": f"{type(group).__name__}.{method}",
                "variant": f"{group.form}-{group.dim}",
                "function": getattr(group, method),
                "rtol": 5e-3,
            }
            | options,
            dim=group.dim,
            inputs=inputs,
            whole=whole,
        )

    # A rank is a matter of the precision of the points where a basis is ill-conditioned.
    framed: dict[str, Any] = {"halves": type(group) is not FramedGroup}
    # Whatever branches on values is for a graph to refuse.
    graph = "outside of torch.compile"
    searched = {"refuses": {"compile": graph, "export": graph}}
    fitted = framed if group.is_compact else framed | searched

    def recover_moments(source, target):
        return group.recover_moments(Moments.of(source, target))

    def weighted(source, target, weights):
        return group.recover(source, target, weights=weights)

    def weights(n, d):
        return _noisy(group)(n, d) | {"weights": numbers(n, seed=5).abs()}

    return [
        call("recover", _noisy(group), **fitted),
        call(
            "recover",
            weights,
            function=weighted,
            variant=f"{group.form}-{group.dim}-weighted",
            taken={"weights": ("None", "integers", "bool")},
            **fitted,
        ),
        call("recover_moments", _noisy(group), function=recover_moments, **fitted),
        call("extend", _clouds(group), **searched),
        call("exp", _matrix(group, "xi", "algebra")),
        call("polar", _matrix(group, "m", "near")),
        call("balance", _matrix(group, "second_moment", "positive")),
        call("project_algebra", _matrix(group, "m", "near")),
        call("residual", _matrix(group, "t", "near")),
        call("contains", _matrix(group, "t", "element"), smooth=False),
        call("component", _matrix(group, "t", "element"), smooth=False),
    ]


CALLS = [
    call
    for i, case in enumerate(GROUPS)
    for call in _calls(case.group, i not in FAST or isinstance(case.group.form, Joint))
]
