"""download_file against a server of our own: whole, resumed, verified, refused."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from equiform.data import CIFAR10_ARCHIVE, DownloadError, RemoteFile, download_file, load_cifar10
from equiform.data import remote as remote_module
from equiform.data._download import CHUNK
from tests.data.test_cifar import LAYOUTS10, TEST10, write

BODY = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `body`, or what follows the start of a Range; counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.remote = RemoteFile(f"http://127.0.0.1:{self.server_port}/a/file.tar.gz", md5=MD5)
        self.body = BODY
        self.ranges: list[str | None] = []
        self.ignores_ranges = False
        #: For each answer in turn, after how many bytes it breaks off.
        self.breaks: list[int] = []
        #: For each answer in turn, instead of the file.
        self.statuses: list[tuple[int, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        headers: dict[str, str] = {}
        body, status = self.server.body, 200
        if self.server.statuses:
            status, headers = self.server.statuses.pop(0)
            body = b""
        elif asked and not self.server.ignores_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            status, body = (206, body[start:]) if start < len(body) else (416, b"")
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: self.server.breaks.pop(0)] if self.server.breaks else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files(folder):
    return {file.name for file in folder.iterdir()} - {".file.tar.gz.lock"}


def test_once(server, tmp_path):
    for _ in range(2):
        file = download_file(server.remote, tmp_path / "new" / "folder")
        assert file.read_bytes() == BODY
    assert server.ranges == [None]
    assert files(file.parent) == {"file.tar.gz"}


def test_broken_off_and_resumed(server, tmp_path):
    server.breaks = [100_000, 70_000]
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    # Whole chunks are kept.
    assert server.ranges == [None, f"bytes={CHUNK}-", f"bytes={2 * CHUNK}-"]


def test_resumed_by_the_next_call(server, tmp_path):
    server.breaks = [CHUNK, CHUNK, CHUNK, 0, 0]
    with pytest.raises(DownloadError, match=r"file\.tar\.gz: damaged in 5 attempts"):
        download_file(server.remote, tmp_path)
    assert files(tmp_path) == {".file.tar.gz.part"}
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    assert server.ranges[-1] == f"bytes={3 * CHUNK}-"


def test_a_server_without_ranges(server, tmp_path):
    server.ignores_ranges, server.breaks = True, [100_000]
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={CHUNK}-"]


def test_stopped_between_the_last_byte_and_the_name(server, tmp_path):
    (tmp_path / ".file.tar.gz.part").write_bytes(BODY)
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    assert server.ranges == ["bytes=300000-"]
    assert files(tmp_path) == {"file.tar.gz"}


@pytest.mark.parametrize("part", [b"of another file", bytes(400_000)], ids=["short", "long"])
def test_a_part_of_another_file(server, tmp_path, part):
    (tmp_path / ".file.tar.gz.part").write_bytes(part)
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(part)}-", None]


def test_a_damaged_file_is_downloaded_again(server, tmp_path, caplog):
    (tmp_path / "file.tar.gz").write_bytes(BODY[:-1])
    assert download_file(server.remote, tmp_path).read_bytes() == BODY
    assert "does not match its MD5" in caplog.text


def test_another_file_than_promised(server, tmp_path):
    server.body = b"another"
    with pytest.raises(DownloadError, match=r"damaged in 5 attempts \(its MD5 is another\)"):
        download_file(server.remote, tmp_path)
    assert not files(tmp_path)


def test_too_large(server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote_module, "_MAX_BYTES", 200_000)
    with pytest.raises(DownloadError, match="more than 200000 bytes"):
        download_file(server.remote, tmp_path)
    [part] = files(tmp_path)
    assert not (tmp_path / part).read_bytes()


@pytest.mark.parametrize("answer", [(404, {}), (206, {"Content-Range": "bytes 7-9/10"})])
def test_not_to_be_had(server, tmp_path, answer):
    server.statuses = [answer]
    with pytest.raises(DownloadError, match=rf"file.tar.gz: {answer[0]} "):
        download_file(server.remote, tmp_path)


def test_passing_faults_are_retried(server, tmp_path):
    server.statuses = [(503, {"Retry-After": "0"}), (429, {"Retry-After": "0"})]
    assert download_file(server.remote, tmp_path).read_bytes() == BODY


def test_redirects(server, tmp_path):
    # Another server, another port, and a folder whose name begins as that of the file's own does.
    for place in ("http://files.example/x", "http://127.0.0.1:1/a/x", "/ab/x"):
        server.statuses = [(302, {"Location": place})]
        with pytest.raises(DownloadError, match="No connection adapters"):
            download_file(server.remote, tmp_path)
    server.statuses = [(302, {"Location": "/a/moved"})]
    assert download_file(server.remote, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://files.example/x", "ftp://127.0.0.1/x", "file:///etc/x"])
def test_only_https_or_loopback(url, tmp_path):
    with pytest.raises(ValueError, match="url must be https"):
        download_file(RemoteFile(url, md5=MD5), tmp_path)


@pytest.mark.parametrize("name", ["", "..", ".x", "x?y", "x%2Fy", "x\\y", "x\n"])
def test_names(name):
    with pytest.raises(ValueError, match="url must end in a plain file name"):
        RemoteFile(f"https://files.example/{name}", md5=MD5)
    with pytest.raises(ValueError, match="md5 must be 32 hexadecimal digits"):
        RemoteFile("https://files.example/x", md5=name)


def test_known_files():
    files = [
        value
        for name, value in vars(remote_module).items()
        if name.endswith(("_ARCHIVE", "_FILES"))
    ]
    flat = [file for entry in files for file in (entry if isinstance(entry, tuple) else (entry,))]
    assert len({file.md5 for file in flat}) == len(flat) == 6
    assert all(file.url.startswith("https://") for file in flat)


def test_download_and_load(server, tmp_path):
    """The whole way: what comes down under the official name is found and read."""
    server.body = write(tmp_path, LAYOUTS10["binary"], "its archive").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(server.body)) as tar:
        assert len(tar.getnames()) == 7
    url = server.remote.url.replace("file.tar.gz", CIFAR10_ARCHIVE.name)
    md5 = hashlib.md5(server.body).hexdigest()
    download_file(replace(CIFAR10_ARCHIVE, url=url, md5=md5), tmp_path / "data")
    images = load_cifar10(tmp_path / "data", train=False)
    np.testing.assert_array_equal(images.images, TEST10.images)
