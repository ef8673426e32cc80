"""The page and the file of numbers: self-contained, escaped, finite."""

import base64
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
import torch

from equiform import HermitianForm
from equiform.audit import Report, report, save_report
from equiform.audit.figures import draw
from equiform.audit.html import page

NASTY = "<script>alert('&\"')</script> $x_1$"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting, and gathers text, tags and whatever a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def measured() -> Report:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    return report(lambda x: x, x, {NASTY: lambda x: x.flip(1), "plain": lambda x: x + 0})


def figures(text: str) -> list[str]:
    """The SVG images of a page."""
    encoded = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    return [base64.b64decode(each).decode() for each in encoded]


def test_page_is_well_formed_and_loads_nothing(measured):
    text = page(measured, draw(measured))
    parsed = Page(text)
    assert parsed.tags.isdisjoint({"script", "link", "iframe", "object", "embed"})
    assert len(parsed.fetched) == 4
    assert all(each.startswith("data:image/svg+xml;base64,") for each in parsed.fetched)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_page_holds_each_name_escaped_and_each_verdict(measured):
    text = page(measured, draw(measured))
    words = Page(text).words
    assert "<script" not in text
    assert NASTY in words
    for row in measured:
        assert row.name in words
        assert str(row.verdict) in words


def test_figures_are_xml_that_refers_to_itself_only(measured):
    images = figures(page(measured, draw(measured)))
    assert len(images) == 4
    for image in images:
        for element in ET.fromstring(image).iter():
            for name, value in element.attrib.items():
                if name.rpartition("}")[2] in ("href", "src"):
                    assert value.startswith("#")


def test_page_is_the_same_each_time(measured):
    assert page(measured, draw(measured)) == page(measured, draw(measured))


def test_figures_follow_the_numbers(measured):
    """A page without angles for a group without them, and one that tells rows apart."""
    assert measured["plain"].angles is not None
    x = torch.randn(40, 3)
    group = HermitianForm().isometry_group(3)
    unitary = report(lambda x: x + 0j, x, {"flip": lambda x: x.flip(1)}, group=group)
    assert len(figures(page(unitary, draw(unitary)))) == 4
    bare = [{**vars(row), "angles": None} for row in measured]
    without = Report(**{**vars(measured), "rows": tuple(type(measured.rows[0])(**b) for b in bare)})
    assert len(figures(page(without, draw(without)))) == 3
    assert "What each T does" not in page(without, draw(without))


def test_extreme_reports_have_a_page():
    for data in (torch.zeros(4, 1), torch.ones(30, 70), 1e30 * torch.randn(30, 3).double()):
        names = {f"{'long ' * 20}{i}": lambda x: -x for i in range(12)}
        extreme = report(lambda x: x, data, names)
        parsed = Page(page(extreme, draw(extreme)))
        assert all(name in " ".join(parsed.words) for name in names)


def test_saved_numbers_are_those_of_the_report(measured, tmp_path):
    path = save_report(measured, tmp_path / "new" / "folder")
    assert path.read_text("utf-8") == page(measured, draw(measured))
    saved = {file.stem: file.read_text("utf-8") for file in path.parent.glob("*.svg")}
    assert saved == draw(measured)
    text = (path.parent / "metrics.json").read_text("utf-8")

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    record = json.loads(text, parse_constant=refuse)
    assert record["versions"]["torch"] == torch.__version__
    assert [row["name"] for row in record["rows"]] == [NASTY, "plain"]
    for saved, row in zip(record["rows"], measured, strict=True):
        assert saved["error"] == row.error
        assert saved["angles"] == list(row.angles)
        assert saved["verdict"] == row.verdict
        assert "matrix" not in saved
    del record["versions"]
    assert record == measured.to_dict()


def test_numbers_that_are_not_finite_are_null(measured, tmp_path):
    broken = Report(**{**vars(measured), "effective_rank": float("nan")})
    save_report(broken, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["effective_rank"] is None


def test_out_saves(tmp_path):
    report(lambda x: x, torch.randn(20, 2), {"flip": lambda x: x.flip(1)}, out=tmp_path / "r")
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [
        "angles.svg",
        "errors.svg",
        "index.html",
        "map.svg",
        "metrics.json",
        "spectrum.svg",
    ]
