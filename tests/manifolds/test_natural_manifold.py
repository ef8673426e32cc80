"""A form names its manifold, and the manifold its form."""

import pytest

import equiform
from tests.cases import FORMS

NATURAL = {
    equiform.EuclideanForm(): equiform.Sphere,
    equiform.MinkowskiForm(): equiform.Hyperboloid,
}


@pytest.mark.parametrize("form", NATURAL, ids=repr)
def test_form_and_manifold_name_each_other(form):
    manifold = form.manifold()
    assert type(manifold) is NATURAL[form]
    assert manifold.form == form


@pytest.mark.parametrize(
    "form", [f for f in dict.fromkeys(c.form for c in FORMS) if f not in NATURAL], ids=repr
)
def test_a_form_without_a_manifold_says_what_to_do(form):
    with pytest.raises(ValueError, match=r"no manifold of its own; .* whole space"):
        form.manifold()
