"""read_calpha returns the C-alpha atoms of a file, or raises StructureFormatError; never else."""

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equiform.data import (
    ReadLimits,
    StructureFormatError,
    iter_structure_files,
    parse_calpha,
    read_calpha,
)
from tests.data.conftest import SHARED, cif_text, helix, pdb_text

HELIX = helix(30)
FORMATS = pytest.mark.parametrize(
    ("name", "data"), [("x.pdb", pdb_text(HELIX)), ("x.cif", cif_text(HELIX))], ids=["pdb", "cif"]
)


@FORMATS
@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
def test_coordinates_come_back(name, data, pack, tmp_path):
    file = tmp_path / f"{name}.gz"
    file.write_bytes(pack(data))
    trace = read_calpha(file)
    np.testing.assert_array_equal(trace.coordinates, HELIX)
    assert trace.coordinates.dtype == np.float64
    assert (trace.name, trace.sequence, trace.chains) == ("x", "A" * 30, ("A",) * 30)


@pytest.mark.parametrize("suffix", [".ent", ".PDB", ".pdb.gz", ".ent.gz"])
def test_suffixes(suffix):
    assert len(parse_calpha(f"x{suffix}", pdb_text(HELIX))) == 30


@FORMATS
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(name, data, bad):
    write = pdb_text if name == "x.pdb" else cif_text
    coordinates = HELIX.copy()
    coordinates[7, 1] = bad
    with pytest.raises(StructureFormatError, match=r"x\.(pdb|cif): "):
        parse_calpha(name, write(coordinates))


@given(st.binary(max_size=400), st.sampled_from(["x.pdb", "x.cif", "x.pdb.gz", "x.ent", "x.bcif"]))
def test_garbage_raises_nothing_else(data, name):
    with pytest.raises(StructureFormatError, match=name):
        parse_calpha(name, data)


@given(st.data())
def test_damaged_bytes_raise_nothing_else(data):
    name, text = data.draw(
        st.sampled_from([("x.pdb", pdb_text(HELIX)), ("x.cif", cif_text(HELIX))])
    )
    at = data.draw(st.integers(0, len(text) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=30))
    try:
        trace = parse_calpha(name, text[:at] + damage + text[at + len(damage) :])
    except StructureFormatError:
        return
    assert np.isfinite(trace.coordinates).all()


@pytest.mark.parametrize("shift", [" ", "  ", "        ", "\t"])
def test_shifted_columns(shift):
    text = re.sub(rb"(?m)^(.{30})", rb"\1" + shift.encode(), pdb_text(HELIX))
    with pytest.raises(StructureFormatError, match="columns 31-54"):
        parse_calpha("x.pdb", text)


def test_a_missing_coordinate_column():
    text = re.sub(rb"(?m)^(.{30}).{8}", rb"\1", pdb_text(HELIX))
    with pytest.raises(StructureFormatError, match="columns 31-54"):
        parse_calpha("x.pdb", text)


@FORMATS
def test_geometry(name, data):
    write = pdb_text if name == "x.pdb" else cif_text
    for coordinates in (HELIX / 10, HELIX * 2, HELIX[:, [0, 0, 0]] * 5):
        with pytest.raises(StructureFormatError, match=r"consecutive C-alpha|same coordinates"):
            parse_calpha(name, write(coordinates))
    with pytest.raises(StructureFormatError, match="same coordinates"):
        parse_calpha(name, write(np.ones((30, 3))))


@given(st.integers(0, len(pdb_text(HELIX))))
def test_pdb_without_header_cut_short_is_a_prefix_or_raises(at):
    try:
        trace = parse_calpha("x.pdb", pdb_text(HELIX)[:at])
    except StructureFormatError:
        return
    np.testing.assert_array_equal(trace.coordinates, HELIX[: len(trace)])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.pdb", b"HEADER    X\n" + pdb_text(HELIX) + b"END\n"),
        ("x.cif", b"data_A\n#\n_entry.id X\n#\n" + cif_text(HELIX)[7:]),
        ("x.pdb.gz", gzip.compress(pdb_text(HELIX), mtime=0)),
    ],
    ids=["pdb", "cif", "gzip"],
)
@given(data=st.data())
def test_files_with_an_end_cut_short_raise(name, text, data):
    at = data.draw(st.integers(0, len(text.rstrip()) - 1))
    parse_calpha(name, text)
    with pytest.raises(StructureFormatError):
        parse_calpha(name, text[:at])


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.pdb", b"", "empty"),
        ("x.pdb", b" \n\n", "empty"),
        ("x.pdb.gz", gzip.compress(b"", mtime=0), "empty"),
        ("x.cif", b"\x00\x01\x02", "binary"),
        ("x.cif", b"data_X\n_cell.a 1\n", "_atom_site"),
        ("x.pdb", b"HELLO\n", "no C-alpha"),
        ("x.bcif", b"\x83", "BinaryCIF is not supported"),
        ("x.bcif.gz", gzip.compress(b"\x83", mtime=0), "BinaryCIF is not supported"),
        ("x.txt", pdb_text(HELIX), "suffix"),
        ("x.pdb.gz", gzip.compress(pdb_text(HELIX), mtime=0)[:-20], "gzip"),
    ],
)
def test_reasons(name, data, reason):
    with pytest.raises(StructureFormatError, match=f"^{re.escape(name)}: .*{reason}"):
        parse_calpha(name, data)


def test_gzip_bomb():
    bomb = gzip.compress(b"ATOM  " * 2_000_000)
    with pytest.raises(StructureFormatError, match="more than 1000000 bytes"):
        parse_calpha("x.pdb.gz", bomb, limits=ReadLimits(member_bytes=1_000_000))


def test_alternative_of_highest_occupancy():
    lines = pdb_text(HELIX).decode().splitlines(keepends=True)
    fifth = lines[4].replace("1.00  0.00", "0.30  0.00")
    other = lines[4][:16] + "B" + "SER" + lines[4][20:30] + "   1.000   2.000   3.000  0.70  0.00\n"
    lines[4] = fifth[:16] + "A" + fifth[17:] + other
    trace = parse_calpha("x.pdb", "".join(lines).encode())
    assert (len(trace), trace.alternatives, trace.sequence[4]) == (30, 1, "S")
    np.testing.assert_array_equal(trace.coordinates[4], [1, 2, 3])


def test_repeated_residue_number():
    line = pdb_text(HELIX[:1])
    with pytest.raises(StructureFormatError, match="alternative location"):
        parse_calpha("x.pdb", line + pdb_text(HELIX[1:2]).replace(b"    1  ", b"    2  ", 1))


def test_only_the_first_model():
    models = "".join(
        f"MODEL     {i:4d}\n{pdb_text(helix(30, shift=i)).decode()}ENDMDL\n" for i in (0, 1)
    )
    np.testing.assert_array_equal(parse_calpha("x.pdb", models.encode()).coordinates, HELIX)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_calpha(tmp_path / "none.pdb")
    with pytest.raises(IsADirectoryError):
        read_calpha(tmp_path)


def assorted() -> list[tuple[str, str]]:
    if not SHARED.is_dir():
        return []
    with (SHARED / "pdb_assorted_index.csv").open(newline="") as stream:
        return [(row["file"], row["ca_residues_model1"]) for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def assorted_files(real_proteins: Path) -> dict[str, bytes]:
    files = iter_structure_files(real_proteins / "pdb_assorted.tar.xz")
    return {name.rpartition("/")[2]: data for name, data in files}


@pytest.mark.parametrize(("name", "residues"), assorted())
def test_real_files(name, residues, assorted_files):
    """An empty count is a file that gemmi refuses; the index counts alternative residues too."""
    if residues in ("", "0"):
        with pytest.raises(StructureFormatError, match=re.escape(name)):
            parse_calpha(name, assorted_files[name])
    else:
        trace = parse_calpha(name, assorted_files[name])
        assert len(trace) + trace.alternatives == int(residues)


@pytest.mark.parametrize("name", ["1crn.pdb", "1aki.cif", "4hhb.cif.gz", "1lzh.pdb.gz"])
def test_real_files_cut_short_raise(name, assorted_files):
    text = assorted_files[name].rstrip(b" \n")
    for at in np.random.default_rng(0).integers(0, len(text), 25):
        with pytest.raises(StructureFormatError):
            parse_calpha(name, text[:at])


def test_figures_of_real_chains(real_proteins):
    with (real_proteins / "pdb_calpha_index.csv").open(newline="") as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    files = list(iter_structure_files(real_proteins / "pdb_calpha.tar.xz"))
    assert len(files) == len(rows) == 2499
    for name, data in files[::10]:
        trace = parse_calpha(name, data)
        row = rows[trace.name]
        centred = trace.coordinates - trace.coordinates.mean(axis=0)
        variances = np.linalg.eigvalsh(centred.T @ centred / len(trace))[::-1]
        expected = [float(row[f"pca_var{i}"]) for i in (1, 2, 3)]
        assert trace.sequence == row["sequence"]
        np.testing.assert_allclose(variances, expected, atol=1e-4)
        np.testing.assert_allclose(
            variances.sum() ** 0.5, float(row["radius_of_gyration"]), atol=1e-4
        )
