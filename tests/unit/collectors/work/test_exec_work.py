"""A job that serves models: its work is counted while it runs, and once more before it is ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.cli import main
from tests.support.measuring import landed

ROOT = Path(__file__).resolve().parents[4]
# A server that says when it began, and did 3 requests more each time it is asked.
SERVER = """
import http.server, signal, sys, time
born, asked = time.time(), [0]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked[0] += 3
        text = f'process_start_time_seconds {born}\\nvllm:request_success_total{{model_name="x"}} {asked[0]}\\n'
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_job_that_serves_is_asked_a_last_time_before_it_is_ended(tmp_path, port):
    command = [sys.executable, "-m", "collectors", "exec", "--landing", str(tmp_path / "landing"), "--job-id", "j"]
    command += ["--model", "llama", "--phase", "inference", "--interval-s", "0.1", "--work-kind", "vllm"]
    command += ["--work-url", f"http://127.0.0.1:{port}/metrics", "--", sys.executable, "-c", SERVER, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    rows = landed(tmp_path / "landing")["work_counter"]
    assert {(row["job_id"], row["model"]) for row in rows} == {("j", "llama")}
    # All of it, though the first of its readings may be the last one.
    assert sum(row["requests_n"] for row in rows) >= 3
    (started,) = [row for row in landed(tmp_path / "landing")["job_event"] if row["event"] == "started"]
    assert rows[0]["start_ms"] >= started["ts_ms"] - 1000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--work-url", "http://localhost:1"], "--work-url needs --work-kind"),
        (["--work-url", "localhost", "--work-kind", "tgi"], "--work-url must be an address such as"),
    ],
)
def test_flags_that_do_not_say_enough_are_refused(tmp_path, capsys, flags, message):
    assert main(["exec", "--landing", str(tmp_path), *flags, "--", "true"]) == 2
    assert message in capsys.readouterr().err
