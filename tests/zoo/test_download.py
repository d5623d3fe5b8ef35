"""Downloads from a server that truncates, stalls, redirects, lies about lengths and changes the file between two ranges."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trtzoo.errors import InputError
from trtzoo.zoo import download as module
from trtzoo.zoo.download import cache_folder, download

DATA = bytes(range(256)) * 4096
"""A file of 1 MiB."""
SUM = hashlib.sha256(DATA).hexdigest()


@dataclass
class Served:
    """What the server does, and what it was asked.

    Attributes:
        plan: what to do at each request, the last entry for all further ones.
        ranges: the Range header of each request, "" where there was none.
        data: the file by now.
        tag: its ETag.
    """

    plan: list = field(default_factory=list)
    ranges: list = field(default_factory=list)
    data: bytes = DATA
    tag: str = '"one"'

    def next(self):
        return self.plan.pop(0) if len(self.plan) > 1 else (self.plan or ["whole"])[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        served = self.server.served
        if self.path == "/moved/model.pt":
            self.send_response(302)
            self.send_header("Location", "/model.pt")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        served.ranges.append(self.headers.get("Range", ""))
        what = served.next()
        if isinstance(what, int):
            self.send_error(what)
            return
        if what == "change":
            served.data, served.tag, what = DATA[::-1], '"two"', "whole"
        self.send_file(served, what)

    def send_file(self, served, what):
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") == served.tag or what == "any range"
        if wanted and same and what != "no ranges":
            start = int(wanted[1]) + (7 if what == "another range" else 0)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
        else:
            self.send_response(200)
        body = served.data[start:]
        if what != "no tag":
            self.send_header("ETag", served.tag)
        self.send_header("Content-Length", str(len(body) + (100 if what == "too long" else 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if what in ("truncate", "stall") else body)
        self.wfile.flush()
        if what == "stall":
            self.server.released.wait(5)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "_pause", lambda failures: 0.0)
    for name in ("http_proxy", "HTTP_PROXY", module.MIRROR):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.served, http.released = Served(), threading.Event()
        http.url = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http
        http.released.set()
        http.shutdown()


def fetch(server, folder, path="/model.pt", **more):
    (done,) = download(f"{server.url}{path}", folder, **more)
    return done


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


COMES_WHOLE = {
    "at once": ([], 1),
    "after an answer of 503": ([503, "whole"], 2),
    "after two truncations, from where each broke off": (["truncate", "truncate", "whole"], 3),
    "from a server that changed the file meanwhile back": (["truncate", "no ranges"], 2),
    "from a server without ETag, from the start each time": (["truncate", "no tag"], 2),
    "after a range that was not asked for": (["truncate", "another range", "whole"], 3),
}


@pytest.mark.parametrize(("plan", "requests"), COMES_WHOLE.values(), ids=COMES_WHOLE)
def test_the_file_comes_whole(server, tmp_path, plan, requests):
    server.served.plan = plan
    done = fetch(server, tmp_path)
    assert done.path.read_bytes() == DATA
    assert (done.sha256, done.cached, done.verified) == (SUM, False, False)
    assert len(server.served.ranges) == requests
    assert leftovers(tmp_path) == ["model.pt"]


def test_a_broken_transfer_goes_on_where_it_broke_off(server, tmp_path):
    server.served.plan = ["truncate", "truncate", "whole"]
    fetch(server, tmp_path)
    half = len(DATA) // 2
    assert server.served.ranges == ["", f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_where_the_server_has_no_such_range_it_starts_over(server, tmp_path):
    server.served.plan = ["truncate", 416, "whole"]
    assert fetch(server, tmp_path).path.read_bytes() == DATA
    assert server.served.ranges == ["", f"bytes={len(DATA) // 2}-", ""]


def test_a_file_that_changed_between_two_ranges_is_fetched_anew(server, tmp_path):
    server.served.plan = ["truncate", "change", "whole"]
    done = fetch(server, tmp_path)
    assert done.path.read_bytes() == DATA[::-1]


def test_a_stalled_transfer_is_given_up_and_resumed(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.3))
    server.served.plan = ["stall", "whole"]
    assert fetch(server, tmp_path).path.read_bytes() == DATA
    assert server.served.ranges == ["", f"bytes={len(DATA) // 2}-"]


def test_redirections_are_followed(server, tmp_path):
    assert fetch(server, tmp_path, "/moved/model.pt").path.read_bytes() == DATA


def test_the_rest_of_another_version_is_not_appended(server, tmp_path):
    """The server pays no heed to If-Range, and the file changes between the two requests."""
    server.served.plan = ["truncate", *[503] * module.TRIES]
    with pytest.raises(InputError, match="503"):
        fetch(server, tmp_path)
    server.served.data, server.served.tag, server.served.plan = DATA[::-1], '"two"', ["any range"]
    assert fetch(server, tmp_path).path.read_bytes() == DATA[::-1]


def test_a_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    (done,) = download("http://weights.invalid/model.pt", tmp_path)
    assert done.path.read_bytes() == DATA


def test_a_mirror_holds_files_by_the_names_that_they_get(tmp_path, monkeypatch):
    """Several official files are called last.pt where they come from."""
    (tmp_path / "yolov5s6-pose.pt").write_bytes(DATA)
    monkeypatch.setenv(module.MIRROR, tmp_path.as_uri())
    (done,) = download("yolov5s6_pose", tmp_path / "there")
    assert done.path.name == "yolov5s6-pose.pt"


def test_a_mirror_is_for_names_and_not_for_a_url(server, tmp_path, monkeypatch):
    monkeypatch.setenv(module.MIRROR, "http://127.0.0.1:9")
    assert fetch(server, tmp_path).path.read_bytes() == DATA


def test_a_second_process_goes_on_with_what_the_first_left(server, tmp_path):
    server.served.plan = ["truncate", *[503] * module.TRIES]
    with pytest.raises(InputError, match="503"):
        fetch(server, tmp_path)
    assert leftovers(tmp_path) == [".model.pt.part", ".model.pt.part.json"]
    server.served.plan, server.served.ranges = ["whole"], []
    assert fetch(server, tmp_path).path.read_bytes() == DATA
    assert server.served.ranges == [f"bytes={len(DATA) // 2}-"]


def test_two_at_once_fetch_it_once(server, tmp_path):
    """The first one is held up; the second waits for it and finds the file."""
    server.served.plan = ["stall", "whole"]
    found = []
    both = [threading.Thread(target=lambda: found.append(fetch(server, tmp_path))) for _ in range(2)]
    for thread in both:
        thread.start()
    while not server.served.ranges:
        time.sleep(0.01)
    time.sleep(0.2)
    assert len(server.served.ranges) == 1
    server.released.set()
    for thread in both:
        thread.join()
    assert sorted(done.cached for done in found) == [False, True]
    assert (tmp_path / "model.pt").read_bytes() == DATA
    assert leftovers(tmp_path) == ["model.pt"]


def test_a_folder_that_cannot_be_written_gives_what_it_has_and_is_named(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / ".model.pt.lock").mkdir()
    assert fetch(server, tmp_path).cached
    with pytest.raises(InputError, match=r"cannot write .*model\.pt: Is a directory; choose another place with -o"):
        fetch(server, tmp_path, force=True)


GIVEN_UP = {
    "not found": ([404], "404", 1),
    "forbidden": ([403], "403", 1),
    "out of order for long": ([500], "500", module.TRIES),
    "a length that never comes": (["too long"], "ended after 1048576 of 1048676 bytes|IncompleteRead", None),
}


@pytest.mark.parametrize(("plan", "message", "requests"), GIVEN_UP.values(), ids=GIVEN_UP)
def test_what_cannot_be_fetched_leaves_no_file(server, tmp_path, plan, message, requests):
    server.served.plan = plan
    with pytest.raises(InputError, match=message):
        fetch(server, tmp_path)
    assert not (tmp_path / "model.pt").exists()
    assert requests is None or len(server.served.ranges) == requests


REASONS = {
    "nobody listens": ("http://127.0.0.1:9/x.pt", "", "Failed to establish a new connection: .*refused"),
    "no such host": ("http://nowhere.invalid/x.pt", "", "Failed to resolve 'nowhere.invalid'.*"),
    "a proxy that does not answer": (
        "http://nowhere.invalid/x.pt",
        "http://127.0.0.1:9",
        "the proxy does not answer: .*refused",
    ),
}


@pytest.mark.parametrize(("url", "proxy", "reason"), REASONS.values(), ids=REASONS)
def test_a_server_out_of_reach_is_named_with_the_reason_and_no_more(tmp_path, monkeypatch, url, proxy, reason):
    monkeypatch.setattr(module, "_pause", lambda failures: 0.0)
    for name in ("HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(InputError) as caught:
        download(url, tmp_path)
    said = rf"{re.escape(url)} cannot be fetched: {reason}; try again later, or set TRTZOO_MIRROR"
    assert re.fullmatch(said, str(caught.value)), caught.value
    assert "object at" not in str(caught.value) and "Pool" not in str(caught.value)


def test_a_web_page_is_not_kept_as_a_model(server, tmp_path):
    server.served.data = b"<!DOCTYPE html><title>Quota exceeded</title>"
    with pytest.raises(InputError, match=r"model\.pt: this is a web page"):
        fetch(server, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_sum_that_is_none_is_refused_before_anything_is_fetched(server, tmp_path):
    with pytest.raises(InputError, match="--sha256 abc is no SHA-256"):
        fetch(server, tmp_path, sha256="abc")
    assert server.served.ranges == []


def test_a_part_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / ".model.pt.part").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*model\.pt: Is a directory"):
        fetch(server, tmp_path)


def test_a_file_of_another_sum_is_not_kept(server, tmp_path):
    with pytest.raises(InputError, match=f"SHA-256 {SUM}, not {'0' * 64}"):
        fetch(server, tmp_path, sha256="0" * 64)
    assert leftovers(tmp_path) == []


def test_the_right_sum_is_said_to_be_verified(server, tmp_path):
    assert fetch(server, tmp_path, sha256=SUM.upper()).verified


def test_what_is_there_is_not_fetched_again_unless_forced(server, tmp_path):
    fetch(server, tmp_path)
    assert fetch(server, tmp_path).cached
    assert len(server.served.ranges) == 1
    server.served.data, server.served.tag = DATA[::-1], '"two"'
    assert not fetch(server, tmp_path, force=True).cached
    assert (tmp_path / "model.pt").read_bytes() == DATA[::-1]


def test_a_damaged_file_that_is_there_is_named(server, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"model\.pt is there but its SHA-256 is .* --force"):
        fetch(server, tmp_path, sha256=SUM)


def test_progress_counts_up_to_the_whole(server, tmp_path):
    seen = []
    server.served.plan = ["truncate", "whole"]
    fetch(server, tmp_path, progress=lambda *what: seen.append(what))
    assert seen[-1] == ("model.pt", len(DATA), len(DATA))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_mirror_takes_the_place_of_every_host(server, tmp_path, monkeypatch):
    monkeypatch.setenv(module.MIRROR, f"{server.url}/moved/")
    monkeypatch.setattr(
        module, "files_of", lambda source: (module.CatalogueFile("model.pt", "https://nowhere.invalid/model.pt"),)
    )
    (done,) = download("yolov8n", tmp_path)
    assert done.path.read_bytes() == DATA


def test_a_file_url_is_copied(tmp_path):
    source = tmp_path / "a b.pt"
    source.write_bytes(DATA)
    (done,) = download(source.as_uri(), tmp_path / "there")
    assert done.path == tmp_path / "there" / "a b.pt"
    assert done.path.read_bytes() == DATA


def test_a_file_url_of_nothing_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        download((tmp_path / "none.pt").as_uri(), tmp_path)
    assert leftovers(tmp_path) == []


def test_two_urls_of_one_name_do_not_share_a_place_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(module.HOME, str(tmp_path / "home"))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "best.pt").write_bytes(name.encode())
    for _ in range(2):
        for name in "ab":
            (done,) = download((tmp_path / name / "best.pt").as_uri())
            assert done.path.name == "best.pt"
            assert done.path.read_bytes() == name.encode()
    assert done.cached


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv(module.HOME, str(tmp_path / "home"))
    (tmp_path / "m.pt").write_bytes(DATA)
    (done,) = download((tmp_path / "m.pt").as_uri())
    assert done.path.is_relative_to(tmp_path / "home" / "weights")
    monkeypatch.delenv(module.HOME)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "trtzoo"
