"""A real RabbitMQ, a node by itself that is made for the tests and thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import amqp

from tests.conftest import free_port, wait_until

PASSWORD = "only-for-the-tests"
NODE = "headway@localhost"
"""Each has an epmd of its own to be known to, so one name does for all."""
SBIN = ("/usr/local/sbin", "/opt/homebrew/sbin", "/usr/sbin", "/sbin")
CONFIGURATION = """[{{rabbit, [
    {{tcp_listeners, [{{"127.0.0.1", {port}}}]}},
    {{default_user, <<"headway">>}}, {{default_pass, <<"{password}">>}},
    {{disk_free_limit, 1000000}}
]}}].
"""
"""As Erlang's terms, which are read without loading the schemas of all plugins."""
LEAST = "+S 1:1 +SDcpu 1:1 +SDio 1 +A 1"
"""One thread of each kind."""


def programs() -> str:
    """Where the server's programs are, as a PATH. Debian's own `rabbitmq-server` works for root and `rabbitmq` alone, and there alone."""
    return os.pathsep.join(("/usr/lib/rabbitmq/bin", os.environ["PATH"], *SBIN))


def program(name: str) -> str:
    found = shutil.which(name, path=programs())
    assert found, "RabbitMQ is missing: scripts/tools.sh gets it"
    return found


class RabbitMQ:
    """Answers on loopback, to `headway` with a password. `url` is what a broker's would be. What it holds outlives `stop`."""

    def __init__(self) -> None:
        self.port, self._epmd_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"amqp://headway:{PASSWORD}@{self.address}//"
        self.folder = Path(tempfile.mkdtemp(prefix="hw-rabbit-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        for name, text in (
            ("advanced.config", CONFIGURATION.format(port=self.port, password=PASSWORD)),
            ("enabled_plugins", "[].\n"),
            ("env.conf", ""),
        ):
            (self.folder / name).write_text(text)

    def start(self) -> RabbitMQ:
        self._run(program("epmd"), "-port", str(self._epmd_port), "-address", "127.0.0.1")
        self._run(program("rabbitmq-server"))
        wait_until(self._answers, within=120, what="RabbitMQ's first answer")
        return self

    def connect(self) -> amqp.Connection:
        """A connection that is begun."""
        connection = amqp.Connection(self.address, "headway", PASSWORD, connect_timeout=5)
        connection.connect()
        return connection

    def stop(self) -> None:
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _environment(self) -> dict[str, str]:
        """All that is its own: nothing that is set here or in /etc reaches it. The cookie is made in HOME."""
        return {
            "PATH": programs(),
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # Named by the command itself, it needs no other Erlang to find out whether epmd is there.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{LEAST} -sname {NODE} -start_epmd false -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
        }

    def _run(self, *command: str) -> None:
        with (self.folder / "said").open("ab") as said:
            self._processes.append(
                subprocess.Popen(
                    command, cwd=self.folder, env=self._environment, stdout=said, stderr=said, start_new_session=True
                )
            )

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), (self.folder / "said").read_text()
        try:
            self.connect().close()
        except OSError:
            return False
        return True
