"""A real Prometheus that scrapes one exporter several times a second."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import free_port, wait_until

CONFIGURATION = """
global: {{scrape_interval: {every}, scrape_timeout: {every}, evaluation_interval: {every}}}
rule_files: {rules}
scrape_configs:
  - job_name: {job}
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""


class Prometheus:
    """`url` is what PROMETHEUS_URL would be; `sends` is a token for each scrape."""

    def __init__(
        self, exporter: int, *, job: str = "app", every: str = "250ms", sends: str = "-", rules: Sequence[Path] = ()
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="hw-prom-"))
        self.process: subprocess.Popen[bytes] | None = None
        named = json.dumps([str(file) for file in rules])
        self.configuration = CONFIGURATION.format(
            exporter=exporter, job=job, every=every, token=json.dumps(sends), rules=named
        )

    def start(self) -> Prometheus:
        program = shutil.which("prometheus")
        assert program, "Prometheus is missing: scripts/tools.sh gets it"
        file = self.folder / "prometheus.yml"
        file.write_text(self.configuration)
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

    def query(self, promql: str) -> list[dict[str, Any]]:
        """What a query answers at the present moment."""
        asked = urllib.parse.urlencode({"query": promql})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
