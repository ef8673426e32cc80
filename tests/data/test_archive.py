"""Archives give the same files however they are packed, and hostile ones give none."""

import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equiform.data import ReadLimits, StructureFormatError, iter_structure_files

FILES = {"b/2.pdb": b"two", "a.cif.gz": b"one", "c.bcif": b"three", "notes.txt": b"no"}
EXPECTED = [("a.cif.gz", b"one"), ("b/2.pdb", b"two"), ("c.bcif", b"three")]


def tar_bytes(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def regular(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info, b""


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


TAR = tar_bytes(*(regular(name, data) for name, data in FILES.items()))
PACKED = {
    "x.tar": TAR,
    "x.tar.gz": gzip.compress(TAR),
    "x.TGZ": gzip.compress(TAR),
    "x.tar.xz": lzma.compress(TAR),
    "x.txz": lzma.compress(TAR),
    "x.zip": zip_bytes(FILES),
}


def read(folder: Path, name: str, data: bytes, **limits: int) -> list[tuple[str, bytes]]:
    (folder / name).write_bytes(data)
    return list(iter_structure_files(folder / name, limits=ReadLimits(**limits)))


@pytest.mark.parametrize("name", PACKED)
def test_archives(name, tmp_path):
    assert read(tmp_path, name, PACKED[name]) == EXPECTED
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_folder_and_file(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert list(iter_structure_files(tmp_path)) == EXPECTED
    assert list(iter_structure_files(tmp_path / "b" / "2.pdb")) == [("2.pdb", b"two")]
    with pytest.raises(FileNotFoundError, match="none"):
        next(iter_structure_files(tmp_path / "none"))


@pytest.mark.parametrize("name", PACKED)
@given(fraction=st.floats(0, 0.999))
def test_archives_cut_short_raise(name, fraction, tmp_path_factory):
    whole = PACKED[name].rstrip(b"\0") if name == "x.tar" else PACKED[name]
    with pytest.raises(StructureFormatError, match="x"):
        read(tmp_path_factory.mktemp("cut"), name, whole[: int(fraction * len(whole))])


@pytest.mark.parametrize("name", ["../x.pdb", "a/../../x.pdb", "/x.pdb", "..\\x.pdb", "C:\\x.pdb"])
def test_names_that_escape(name, tmp_path):
    for archive, data in (
        ("x.tar", tar_bytes(regular(name, b""))),
        ("x.zip", zip_bytes({name: b""})),
    ):
        with pytest.raises(StructureFormatError, match="outside the folder"):
            read(tmp_path, archive, data)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices(kind, tmp_path):
    with pytest.raises(StructureFormatError, match="link, a device"):
        read(tmp_path, "x.tar", tar_bytes(special("x.pdb", kind)))


def test_zip_link(tmp_path):
    info = zipfile.ZipInfo("x.pdb")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(StructureFormatError, match="link"):
        read(tmp_path, "x.zip", buffer.getvalue())


def test_repeated_member(tmp_path):
    with pytest.raises(StructureFormatError, match="twice"):
        read(tmp_path, "x.tar", tar_bytes(regular("x.pdb", b"1"), regular("x.pdb", b"2")))


@pytest.mark.parametrize("name", PACKED)
def test_limits(name, tmp_path):
    with pytest.raises(StructureFormatError, match="more than 2 bytes"):
        read(tmp_path, name, PACKED[name], member_bytes=2)
    with pytest.raises(StructureFormatError, match="more than 2 members"):
        read(tmp_path, name, PACKED[name], members=2)
    with pytest.raises(StructureFormatError, match="more than"):
        read(tmp_path, name, PACKED[name], total_bytes=10)
    with pytest.raises(ValueError, match="members >= 1, got 0"):
        ReadLimits(members=0)


def test_bomb_in_a_member_that_is_passed_over(tmp_path):
    bomb = lzma.compress(tar_bytes(regular("zeros.txt", bytes(50_000_000))))
    with pytest.raises(StructureFormatError, match="more than 1000000 bytes"):
        read(tmp_path, "x.tar.xz", bomb, total_bytes=1_000_000)


def test_header_that_claims_a_huge_size(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**33  # tarfile reads extended headers whole
    with pytest.raises(StructureFormatError):
        read(tmp_path, "x.tar", info.tobuf() + bytes(10_000), total_bytes=20_000)
