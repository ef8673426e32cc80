"""Forms: their products, and what follows from J."""

import numpy as np

from equiform.forms import Joint, sigma
from tests.cases import FORMS, JOINTS, FormCase
from tests.contract.call import Call, clouds, numbers

#: One form a class; the others are in the full grid.
FAST = {
    "EuclideanForm()-4",
    "MinkowskiForm()-4",
    "SymplecticForm()-4",
    "HermitianForm()-3",
    "IndefiniteForm(2, 3)-5",
    "SplitForm()-4",
}


def square(complex_: bool):
    return lambda n, d: {"m": numbers(d, d, complex_=complex_)}


def _single(case: FormCase, whole: bool) -> list[Call]:
    form, complex_ = case.form, case.form.sesquilinear
    j = case.j.numpy()

    def call(method, inputs, **options):
        return Call(
            name=f"{type(form).__name__}.{method}",
            variant=case.id,
            dim=case.dim,
            function=getattr(form, method),
            inputs=inputs,
            whole=whole,
            **options,
        )

    def adjoint(m):
        # <M x, y> = <x, M* y> with <x, y> = x J y^σ.
        return np.linalg.inv(j.T) @ m.conj().T @ j.T if not complex_ else None

    return [
        call(
            "inner",
            clouds("x", "y", complex_=complex_),
            rowwise=True,
            oracle=lambda x, y: ((x @ j) * y.conj()).sum(-1),
        ),
        call(
            "gram",
            clouds("x", "y", complex_=complex_),
            taken={"y": ("None",)},
            oracle=lambda x, y: x @ j @ y.conj().T,
        ),
        call(
            "apply",
            clouds("x", complex_=complex_),
            rowwise=True,
            keeps_dtype=True,
            oracle=lambda x: x @ j,
        ),
        call(
            "adjoint",
            square(complex_),
            keeps_dtype=True,
            oracle=None if complex_ else adjoint,
            rtol=2e-3,
        ),
        call("coordinates", clouds("x", complex_=complex_), rowwise=True, keeps_dtype=True),
        call(
            "on_coordinates",
            lambda n, d: {"t": numbers(d, d, complex_=complex_)},
            keeps_dtype=True,
            rtol=2e-3,
        ),
    ]


def _joint(case: FormCase) -> list[Call]:
    form, complex_ = case.form, case.form.sesquilinear
    return [
        Call(
            name=f"Joint.{method}",
            variant=case.id,
            dim=case.dim,
            function=getattr(form, method),
            inputs=clouds(*names, complex_=complex_),
            rowwise=method != "gram",
            taken={"y": ("None",)} if method == "gram" else {},
            keeps_dtype=method == "coordinates",
        )
        for method, names in (("inner", "xy"), ("gram", "xy"), ("coordinates", "x"))
    ]


#: Of the library; one that a user wrote need not say what is wrong with its d.
SINGLE = [case for case in FORMS if type(case.form).__module__.startswith("equiform")]
SINGLE = [case for case in SINGLE if not isinstance(case.form, Joint)]
CALLS = [call for case in SINGLE for call in _single(case, case.id not in FAST)]
CALLS += [call for case in JOINTS[:3] for call in _joint(case)]
CALLS.append(
    Call(
        name="sigma",
        function=sigma,
        inputs=square(True),
        taken={"m": ("integers", "bool")},
        oracle=lambda m: m.conj().T,
        keeps_dtype=True,
    )
)
