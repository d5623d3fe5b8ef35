"""A small HTTP server for tests: files of a folder, and an endless camera (Motion JPEG) that breaks off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np


class Handler(BaseHTTPRequestHandler):
    """`/camera` sends some frames and breaks off, as often as it is asked; everything else is a file of the folder."""

    folder: Path
    frame: np.ndarray
    burst: int
    visits: list[str]

    def do_GET(self) -> None:
        self.visits.append(self.path)
        if self.path == "/camera":
            self._stream()
            return
        file = self.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        data = cv2.imencode(".jpg", self.frame)[1].tobytes()
        for _ in range(self.burst):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")

    def log_message(self, format: str, *values: object) -> None:
        """Stay silent."""


@contextmanager
def serving(folder: Path, frame: np.ndarray, burst: int = 10) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it is asked for."""
    visits: list[str] = []
    facts = {"folder": folder, "frame": frame, "burst": burst, "visits": visits}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), facts))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", visits
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
