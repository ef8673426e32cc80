"""download_entries against a server of our own: resumes, verifies, retries, refuses."""

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from equiform.data import DownloadError, ProteinDataset, download_entries, entry_ids
from tests.data.conftest import cif_text, helix

BODY = gzip.compress(cif_text(helix(30)))


class Server(ThreadingHTTPServer):
    """Answers each path with its list of (status, headers, body) in turn, then with BODY."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/download"
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.requests: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        name = self.path.removeprefix("/download/")
        self.server.requests[name] += 1
        queue = self.server.answers.get(name, [])
        status, headers, body = queue.pop(0) if queue else (200, {}, BODY)
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

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


def download(server, folder, *ids, **options):
    return download_entries(ids, folder, base_url=server.url, requests_per_second=1000, **options)


def test_download_resume_and_read(server, tmp_path):
    files = download(server, tmp_path, "2abc", "1ABC", "1abc", "pdb_00003ABC")
    assert [file.name for file in files] == ["1ABC.cif.gz", "2ABC.cif.gz", "pdb_00003abc.cif.gz"]
    assert all(file.read_bytes() == BODY for file in files)
    assert download(server, tmp_path, "1ABC", "2ABC", "4ABC")[:2] == files[:2]
    assert set(server.requests.values()) == {1}
    assert len(ProteinDataset.from_path(tmp_path)) == 4


@pytest.mark.parametrize("name", ["1ABC.cif.gz", "1ABC.cif.gz.sha256"])
def test_mismatch_is_downloaded_again(server, tmp_path, caplog, name):
    download(server, tmp_path, "1ABC")
    (tmp_path / name).write_bytes(b"damaged")
    [file] = download(server, tmp_path, "1ABC")
    assert file.read_bytes() == BODY
    assert server.requests["1ABC.cif.gz"] == 2
    assert "does not match its recorded SHA-256" in caplog.text


def test_download_without_a_record_is_not_trusted(server, tmp_path):
    (tmp_path / "1ABC.cif.gz").write_bytes(BODY[:50])
    [file] = download(server, tmp_path, "1ABC")
    assert file.read_bytes() == BODY


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"Retry-After": "0"}, b""),
        (429, {}, b""),
        (200, {"Content-Length": "9999"}, BODY),
        (200, {}, BODY[:-9]),
        (200, {}, b"<html>maintenance</html>"),
    ],
    ids=["503", "429", "broken off", "cut short", "not gzip"],
)
def test_passing_faults_are_retried(server, tmp_path, answer):
    server.answers["1ABC.cif.gz"] = [answer]
    [file] = download(server, tmp_path, "1ABC", on_error="raise")
    assert file.read_bytes() == BODY
    assert server.requests["1ABC.cif.gz"] == 2


def test_retry_after_is_respected(server, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    server.answers["1ABC.cif.gz"] = [(429, {"Retry-After": "17"}, b"")]
    download(server, tmp_path, "1ABC")
    assert 17 in slept


@pytest.mark.parametrize(
    ("answers", "reason"),
    [([(404, {}, b"")], "404 Not Found"), ([(200, {}, b"<html>")] * 3, "not a gzip file")],
)
def test_an_entry_that_cannot_be_had(server, tmp_path, caplog, answers, reason):
    server.answers["2ABC.cif.gz"] = list(answers)
    files = download(server, tmp_path, "1ABC", "2ABC", "3ABC")
    assert [file.name for file in files] == ["1ABC.cif.gz", "3ABC.cif.gz"]
    assert reason in caplog.text
    assert "1 of 3 entries could not be had" in caplog.text
    assert not list(tmp_path.glob("2ABC*"))
    server.answers["2ABC.cif.gz"] = list(answers)
    with pytest.raises(DownloadError, match=reason):
        download(server, tmp_path, "2ABC", on_error="raise")


def test_rate(server, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    download_entries(["1ABC", "2ABC"], tmp_path, base_url=server.url, requests_per_second=0.1)
    assert slept[-1] == pytest.approx(10, abs=3)


def test_redirect_to_another_server_is_refused(server, tmp_path):
    server.answers["1ABC.cif.gz"] = [(302, {"Location": "http://files.example/1ABC.cif.gz"}, b"")]
    with pytest.raises(DownloadError, match="No connection adapters"):
        download(server, tmp_path, "1ABC")


@pytest.mark.parametrize(
    "url", ["http://files.example/download", "ftp://127.0.0.1", "127.0.0.1:80", "file:///etc"]
)
def test_only_https_or_loopback(url, tmp_path):
    with pytest.raises(ValueError, match="base_url must be https"):
        download_entries(["1ABC"], tmp_path, base_url=url)


@pytest.mark.parametrize("entry", ["", "ABCD", "1AB", "../1", "1ABC\n", "1AB/", "0ABC"])
def test_ids(entry, tmp_path):
    with pytest.raises(ValueError, match="ids must be like"):
        download_entries([entry], tmp_path)


def test_other_arguments(tmp_path):
    with pytest.raises(ValueError, match="requests_per_second must be positive, got 0"):
        download_entries([], tmp_path, requests_per_second=0)
    with pytest.raises(ValueError, match='"skip" or "raise"'):
        download_entries([], tmp_path, on_error="no")  # pyright: ignore[reportArgumentType]


def test_committed_entries():
    ids = entry_ids()
    assert len(ids) == len(set(ids)) == 300
    assert all(len(entry) == 4 and entry[0].isdigit() for entry in ids)
