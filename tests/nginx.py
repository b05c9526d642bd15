"""A real nginx before a Headway, as a site's owner sets it up: plain `proxy_pass`, with every buffer as it comes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import free_port, wait_until
from tests.serving import PATIENCE_S, Server, ask

CONFIGURATION = """
daemon off;
master_process off;  # one process, which needs no user of its own
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_set_header Host $http_host;
    }}
    location /socket.io/ {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }}
  }}
}}
"""


def binary() -> str:
    """Where nginx is; only root has its folder on the PATH in places."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert found, "nginx is missing: scripts/tools.sh tells how to get it"
    return found


@contextmanager
def nginx(site: Server) -> Iterator[int]:
    """The port of an nginx that passes everything on to `site`, until the block ends."""
    folder, port = Path(tempfile.mkdtemp(prefix="hw-nginx-")), free_port()
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, behind=site.port))
    log = folder / "error.log"
    process = subprocess.Popen([binary(), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(log)])

    def serves() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return ask(port, "GET", "/healthz", timeout=5).status > 0
        except OSError:
            return False

    try:
        wait_until(serves, what="nginx")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)
