"""What a command writes: passed on byte by byte, and read along."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading

from headway.job import Job
from headway.output_lines import Lines

QUIET_S = 0.25
"""After the command's end its output ends too, or else with a silence: a process left behind may keep it open."""
_TAIL_BYTES = 4096
_TAIL_LINES = 20
_READ = 65536
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|[\x00-\x08\x0b\x0c\x0e-\x1f]"
)
_PERCENTAGE = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")


class Watch:
    """Makes the last line of the output the job's message, the last percentage in it its progress, and all of it log lines
    of `source`; where that is None, none."""

    def __init__(self, job: Job, *, words: bool, percentages: bool, source: str | None = None) -> None:
        self._job = job
        self._words = words
        self._percentages = percentages
        self._source = source
        self._tails = {1: b"", 2: b""}
        self._lines: dict[int, Lines] = {}

    def begin(self, *, shared: bool) -> None:
        """`shared`: standard output and standard error are one. Where they are not, lines of the latter are warnings."""
        if self._source is not None:
            self._lines = {1: self._lines_of("info"), 2: self._lines_of("info" if shared else "warning")}

    def finish(self) -> None:
        """There is no more output."""
        for lines in self._lines.values():
            lines.finish()

    def seen(self, stream: int, data: bytes) -> None:
        """`stream` is 1 for standard output, 2 for standard error, and for both where they are one."""
        if stream in self._lines:
            self._lines[stream].seen(data)
        tail = self._tails[stream] = (self._tails[stream] + data)[-_TAIL_BYTES:]
        lines = [line for line in re.split(r"[\r\n]+", _readable(tail)) if line.strip()]
        percent = None
        if self._percentages and lines:
            found = _PERCENTAGE.findall("\n".join(lines))
            percent = float(found[-1]) if found else None
        self._job.progress(percent, message=lines[-1].strip() if self._words and lines else None)

    def tail(self) -> str:
        """The last lines of standard error, led in by an empty line; nothing where it was silent."""
        lines = [line.rpartition("\r")[2] for line in _readable(self._tails[2]).replace("\r\n", "\n").splitlines()]
        text = "\n".join(lines[-_TAIL_LINES:]).strip("\n")
        return f"\n\n{text}" if self._words and text else ""

    def _lines_of(self, level: str) -> Lines:
        return Lines(lambda line: self._job.log(line, level, self._source))


class Output:
    """`stdout` and `stderr` are what the command is given for its own; None where it gets ours as they are."""

    def __init__(self, watch: Watch, streams: dict[int, tuple[int, int]], shared: bool) -> None:
        self._watch = watch
        self._streams = streams
        self._ended, self._end = os.pipe()
        self._threads: list[threading.Thread] = []
        self.stdout = streams[1][1] if 1 in streams else streams[2][1] if shared else None
        self.stderr = streams[2][1] if 2 in streams else None

    def begin(self) -> None:
        """The command runs: pass on what it writes."""
        self._watch.begin(shared=1 not in self._streams)
        for stream, (source, given) in self._streams.items():
            os.close(given)
            thread = threading.Thread(target=self._pass_on, args=(stream, source), daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """The command ended: pass on what is left."""
        os.close(self._end)
        for thread in self._threads:
            thread.join()
        os.close(self._ended)
        self._watch.finish()

    def close(self) -> None:
        """There is no command."""
        for ends in (*self._streams.values(), (self._ended, self._end)):
            for end in ends:
                os.close(end)

    def resize(self) -> None:
        for stream, (source, _) in self._streams.items():
            with contextlib.suppress(OSError):
                if os.isatty(source):
                    _copy_size(stream, source)

    def _pass_on(self, stream: int, source: int) -> None:
        watched, wait_s = [source, self._ended], None
        with contextlib.suppress(OSError):  # a terminal's other end was closed, or nobody reads ours any more
            while True:
                ready, _, _ = select.select(watched, [], [], wait_s)
                if source in ready:
                    data = os.read(source, _READ)
                    if not data:
                        break
                    _write(stream, data)
                    self._watch.seen(stream, data)
                elif self._ended in ready:
                    watched, wait_s = [source], QUIET_S
                else:
                    break
        os.close(source)


def opened(watch: Watch) -> Output:
    """A pipe for each of standard output and error, a terminal where ours is one, and one for both where they are one."""
    states = {}
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            states[stream] = os.fstat(stream)
    shared = len(states) == 2 and os.path.samestat(states[1], states[2])
    return Output(watch, {stream: _channel(stream) for stream in states if not (shared and stream == 1)}, shared)


def _channel(stream: int) -> tuple[int, int]:
    """(what we read, what the command writes to)."""
    if not os.isatty(stream):
        return os.pipe()
    import pty
    import termios

    ours, given = pty.openpty()
    attributes = termios.tcgetattr(given)
    attributes[1] &= ~termios.OPOST  # the real terminal does what is to be done to lines
    termios.tcsetattr(given, termios.TCSANOW, attributes)
    _copy_size(stream, ours)
    return ours, given


def _copy_size(stream: int, to: int) -> None:
    import fcntl
    import termios

    size = fcntl.ioctl(stream, termios.TIOCGWINSZ, b"\0" * 8)
    fcntl.ioctl(to, termios.TIOCSWINSZ, size)


def _write(stream: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(stream, view) :]
        except BlockingIOError:
            select.select([], [stream], [])


def _readable(data: bytes) -> str:
    return _ESCAPES.sub("", data.decode(errors="replace"))
