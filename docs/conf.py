"""Sphinx configuration; `make docs` builds strictly, and needs no network."""

import importlib
import re
from pathlib import Path

import equiform

project = "equiform"
author = "The equiform developers"
copyright = "The equiform developers"
version = release = equiform.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",  # typeset in the reader's browser; the build needs no TeX
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "obj"  # `name` in a docstring links where it names something public

html_theme = "furo"
html_title = f"equiform {release}"
html_copy_source = False

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shape", "Source"]
autosummary_ignore_module_all = False
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88

nitpicky = True
nitpick_ignore_regex = [
    # Without intersphinx, names of other packages have nowhere to point to.
    (r"py:.*", r"(torch|geoopt|numpy|np|hypothesis|st|torch_geometric|torchmetrics)\..*"),
    (r"py:.*", r"(abc|collections|enum|os|pathlib|types)\..*"),
    # Single backticks stand around arguments too.
    (r"py:obj", r"\w+"),
    # autodoc shows the annotations of attributes as they are written, without their module.
    (r"py:class", r"Tensor|Form|Path|Module"),
    # Types that are private or of private modules, and type variables, have no page.
    (r"py:(class|obj)", r"equiform\.(\w+\.)*(_\w+(\.\w+)*|Batch(T|_co)?|P)"),
    (r"py:class", r"equiform\.(forms\.signed_permutation\.\w+|groups\.framed\.GroupOfParts)"),
    (r"py:class", r"equiform\.metrics\.wahba\.FittedMetric"),
]

# A package whose names load on first use shows them to autodoc only once they are loaded.
_REFERENCE = Path(__file__).with_name("api") / "index.md"
_MODULES = re.findall(r"^ +(equiform\.\w+)$", _REFERENCE.read_text("utf-8"), re.MULTILINE)
for _module in map(importlib.import_module, _MODULES):
    for _name in getattr(_module, "__all__", ()):
        vars(_module).setdefault(_name, getattr(_module, _name))


def _skip_tuple_fields(app, what, name, obj, skip, options):
    """Leave out "Alias for field number 0": the class docstring describes the fields."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field") else None


def _alias_public_names(app, env):
    """Record equiform.X, the name that users import, where the page of X's module documents X."""
    objects = env.domains.python_domain.objects
    for name in equiform.__all__:
        value = getattr(equiform, name)
        home = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        if home not in objects:  # a function: autodoc records where a class comes from only
            home = ".".join([*home.split(".")[:2], name])
        if home not in objects:
            continue
        page_name = objects[home].node_id  # equiform.forms.X; autodoc recorded home as its alias
        for known in [known for known in objects if f"{known}.".startswith(f"{page_name}.")]:
            alias = f"equiform.{name}{known.removeprefix(page_name)}"
            objects.setdefault(alias, objects[known]._replace(aliased=True))


def setup(app):
    app.connect("autodoc-skip-member", _skip_tuple_fields)
    app.connect("env-updated", _alias_public_names)
