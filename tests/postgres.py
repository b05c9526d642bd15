"""A real PostgreSQL with a cluster of its own, made for the tests and thrown away."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.conftest import free_port, wait_until

PASSWORD = "only-for-the-tests"


def binary(name: str) -> str:
    """Debian keeps the server's programs off the PATH, a folder a version."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    assert found, "PostgreSQL's server is missing: scripts/tools.sh gets it"
    return found


class Postgres:
    """Answers on loopback, to `headway` with a password. `url` is what DATABASE_URL would be."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql://headway:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="hw-pg-"))
        # initdb refuses to work for root, who may be anybody instead.
        self.user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Postgres:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if self.user is not None:
            shutil.chown(self.folder, self.user)
            shutil.chown(password, self.user)
        subprocess.run(
            [binary("initdb"), "--pgdata", self.folder / "data", "--username", "headway", "--pwfile", password,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            user=self.user, cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip
        self.process = subprocess.Popen(
            [binary("postgres"), "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port),
             "-k", self.folder, "-c", "fsync=off", "-c", "shared_buffers=8MB", "-c", "max_connections=20"],
            user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.answers, what="PostgreSQL's first answer")
        return self

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def run(self, *statements: str) -> object:
        """Each statement, and the first column of the last one's first row."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return next(iter(cursor.fetchone() or ()), None) if cursor.description else None

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()  # "smart": waits for the connections
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
