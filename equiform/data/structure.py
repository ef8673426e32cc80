"""Read the C-alpha atoms of a PDB or mmCIF file, or say exactly why not.

gemmi does the parsing. It is forgiving where a training set must not be: a PDB coordinate whose
columns are shifted parses to another number, and a file that was cut short at the end of a record
parses to a shorter protein. The checks around the call are for those cases.

What a reader can know of a file that was cut short:

* gzip data and an mmCIF loop that was cut inside a row are always detected.
* A PDB file that describes a deposited entry (HEADER or SEQRES) must have an END, and an mmCIF
  file that separates its categories with ``#`` lines, as the wwPDB's do, must close with one.
* A PDB file without those records, or an mmCIF file without separators, that was cut exactly
  between two records cannot be told from a shorter one. It then reads as a prefix of the residues,
  all at their true positions, except that an alternative conformation of the last residue may be
  missing. Inside a record the cut is detected, but in the very last token of an mmCIF file
  without separators, which then reads as a shorter token.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equiform._extras import require
from equiform.data.archive import (
    ReadLimits,
    StructureFormatError,
    gunzip,
    read_capped,
    structure_stem,
)

require("gemmi", extra="proteins")
import gemmi  # noqa: E402  (after the check that names the extra)

READER_VERSION = 2
"""Raised whenever the same file would read, or be kept, differently, so that caches are rebuilt."""

# Consecutive C-alpha atoms are 3.8 Å apart across a trans peptide bond and 2.9 Å across a cis one.
_BONDED = (2.5, 4.5)
_MAX_UNBONDED_FRACTION = 0.2

_COORDINATE_RECORD = re.compile(rb"^(?:ATOM  |HETATM)[^\r\n]*", re.MULTILINE)
# Columns 31-54 of wwPDB format 3.3: three Real(8.3), the decimal point at the fifth place of each.
_COORDINATE_COLUMNS = re.compile(rb".{30}(?:(?= *-?\d*\.).{4}\.\d{3}){3}", re.DOTALL)
_SEPARATOR = re.compile(rb"^#[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True)
class CalphaTrace:
    """C-alpha atoms of the first model of a structure.

    Attributes:
        name: file name without folder and suffixes.
        coordinates: (n, 3) float64, ångström, in file order.
        sequence: n one-letter codes; a modified residue has its parent's, an unknown one X.
        chains: author's chain name of each of the n residues.
        alternatives: residues left out because another one at the same position (a point mutation
            within the crystal) has the higher occupancy.
    """

    name: str
    coordinates: NDArray[np.float64]
    sequence: str
    chains: tuple[str, ...]
    alternatives: int

    def __len__(self) -> int:
        return len(self.sequence)


class _Calpha(NamedTuple):
    chain: str
    seqid: gemmi.SeqId
    code: str
    atom: gemmi.Atom
    alternatives: int


def read_calpha(path: str | os.PathLike[str], *, limits: ReadLimits | None = None) -> CalphaTrace:
    """Read the C-alpha atoms of one PDB or mmCIF file, plain or gzipped, as `parse_calpha` does.

    `ProteinDataset.from_path` reads folders.
    """
    path, limit = Path(path), (limits or ReadLimits()).member_bytes
    with path.open("rb") as stream:
        data = read_capped(stream, limit=limit, name=path.name)
    return parse_calpha(path.name, data, limits=limits)


def parse_calpha(name: str, data: bytes, *, limits: ReadLimits | None = None) -> CalphaTrace:
    """Read the C-alpha atoms of the first model from the bytes of a PDB or mmCIF file.

    Residues are those that gemmi's table of components knows as amino acids, in any chain, with a
    C-alpha atom. Of alternative conformations, and of alternative residues at one position, the one
    of highest occupancy is taken; at a tie, the first of the file.

    Args:
        name: file name; its suffix (less .gz) tells PDB (.pdb, .ent) from mmCIF (.cif, .mmcif).
        data: content, plain or gzipped.
        limits: how much the file may unpack to.

    Raises:
        StructureFormatError: the file is empty, binary, damaged or cut short (as far as that can be
            known, see the module), has shifted columns, or its C-alpha atoms are absent, not
            finite, repeated, or not at distances that a protein has.
    """
    if not isinstance(name, str) or not isinstance(data, bytes):
        got = f"{type(name).__name__} and {type(data).__name__}"
        raise TypeError(
            f"name must be a string and data bytes, got {got}; read_calpha takes a path"
        )
    stem, limit = structure_stem(name), (limits or ReadLimits()).member_bytes
    if stem is None:
        raise StructureFormatError(f"{name}: suffix is none of .pdb .ent .cif .mmcif, also .gz")
    if ".bcif" in name.lower():
        raise StructureFormatError(f"{name}: BinaryCIF is not supported; convert it to .cif.gz")
    text = gunzip(name, data, limit=limit).rstrip()
    if not text:
        raise StructureFormatError(f"{name}: the file is empty")
    if b"\0" in text:
        raise StructureFormatError(f"{name}: binary data, not the text of a PDB or mmCIF file")
    is_cif = name.lower().removesuffix(".gz").endswith("cif")
    try:
        residues = list(_residues(_parse_cif(text) if is_cif else _parse_pdb(text)))
        coordinates = np.array([residue.atom.pos.tolist() for residue in residues])
        _check_geometry(residues, coordinates)
    except StructureFormatError as error:
        raise StructureFormatError(f"{name}: {error}") from error
    except (RuntimeError, ValueError, IndexError) as error:
        raise StructureFormatError(f"{name}: gemmi cannot read it ({error})") from error
    sequence = "".join(residue.code for residue in residues)
    chains = tuple(residue.chain for residue in residues)
    alternatives = sum(residue.alternatives for residue in residues)
    return CalphaTrace(stem, coordinates, sequence, chains, alternatives)


def _parse_pdb(text: bytes) -> gemmi.Structure:
    for record in _COORDINATE_RECORD.finditer(text):
        if not _COORDINATE_COLUMNS.match(record[0]):
            line = record[0].decode("ascii", "replace")
            raise StructureFormatError(
                "columns 31-54 are not three coordinates of the form %8.3f, "
                f"shifted or cut short: {line!r}"
            )
    tags = {line[:6].rstrip() for line in text.splitlines()}
    if tags & {b"HEADER", b"SEQRES"} and b"END" not in tags:
        raise StructureFormatError(
            "has the header of an entry but no END: cut short? If it is whole, append a line END"
        )
    return gemmi.read_pdb_string(text)


def _parse_cif(text: bytes) -> gemmi.Structure:
    # Two separators, since one line "#" is also how some files begin.
    if len(_SEPARATOR.findall(text)) >= 2 and text.splitlines()[-1].strip() != b"#":
        raise StructureFormatError(
            "categories are separated by lines # but the last has none: cut short? "
            "If it is whole, append a line #"
        )
    for block in gemmi.cif.read_string(text):
        if block.find_loop("_atom_site.Cartn_x") or block.find_value("_atom_site.Cartn_x"):
            return gemmi.make_structure_from_block(block)
    raise StructureFormatError("no coordinates: the file has no category _atom_site")


def _residues(structure: gemmi.Structure) -> Iterator[_Calpha]:
    """One C-alpha for each position in the chains of the first model."""
    for chain in structure[0] if len(structure) else ():
        known = ((residue, gemmi.find_tabulated_residue(residue.name)) for residue in chain)
        amino_acids = ((residue, info) for residue, info in known if info.is_amino_acid())
        for seqid, same_position in groupby(amino_acids, key=lambda pair: pair[0].seqid):
            residues = [(residue, info) for residue, info in same_position if residue.get_ca()]
            atoms = [
                (atom, info.one_letter_code)
                for residue, info in residues
                for atom in residue
                if atom.name == "CA" and atom.element == gemmi.Element("C")
            ]
            if not atoms:
                continue
            if len({atom.altloc for atom, _ in atoms}) < len(atoms):
                raise StructureFormatError(
                    f"residue {chain.name} {seqid} has {len(atoms)} C-alpha atoms that no "
                    f"alternative location tells apart; number its residues distinctly"
                )
            atom, code = max(atoms, key=lambda pair: pair[0].occ)  # first at a tie
            code = code.upper().strip() or "X"
            yield _Calpha(chain.name, seqid, code, atom, alternatives=len(residues) - 1)


def _check_geometry(residues: list[_Calpha], coordinates: NDArray[np.float64]) -> None:
    if not residues:
        raise StructureFormatError("no C-alpha atom of an amino acid in the first model")
    if not np.isfinite(coordinates).all():
        bad = residues[np.isfinite(coordinates).all(axis=1).argmin()]
        residue = f"residue {bad.chain} {bad.seqid}"
        raise StructureFormatError(f"C-alpha of {residue} has no finite coordinates")
    if len(np.unique(coordinates, axis=0)) < len(coordinates):
        raise StructureFormatError("two C-alpha atoms have the same coordinates")
    # Neighbours in numbering; a jump in the numbering may be a break in the chain.
    ends = ((a.chain, a.seqid.num, b.chain, b.seqid.num) for a, b in pairwise(residues))
    neighbours = [p == q and i is not None and j == i + 1 for p, i, q, j in ends]
    distances = np.linalg.norm(np.diff(coordinates, axis=0), axis=1)[np.array(neighbours, bool)]
    low, high = _BONDED
    unbonded = int(((distances < low) | (distances > high)).sum())
    # One such pair is forgiven to short peptides, whose odd residues gemmi may not know.
    if unbonded > max(1, _MAX_UNBONDED_FRACTION * len(distances)):
        raise StructureFormatError(
            f"{unbonded} of {len(distances)} consecutive C-alpha pairs are not {low} to {high} Å "
            f"apart (median {np.median(distances):.2f} Å); wrong columns, or not in ångström?"
        )
