"""A real Prometheus that scrapes one exporter every quarter of a second."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import free_port, wait_until

CONFIGURATION = """
global: {{scrape_interval: 250ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: app
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""


class Prometheus:
    """`url` is what PROMETHEUS_URL would be."""

    def __init__(self, exporter: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.exporter = exporter
        self.folder = Path(tempfile.mkdtemp(prefix="hw-prom-"))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Prometheus:
        program = shutil.which("prometheus")
        assert program, "Prometheus is missing: scripts/tools.sh gets it"
        file = self.folder / "prometheus.yml"
        file.write_text(CONFIGURATION.format(exporter=self.exporter))
        self.process = subprocess.Popen(
            [program, f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.ready, what="Prometheus' first answer")
        return self

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
