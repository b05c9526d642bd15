"""What asks a copy or a restore to end, and when it comes too late."""

from __future__ import annotations

import os
import signal

import pytest

from services.backup_end import ENDING, undisturbed


def test_what_asks_to_end_comes_too_late_for_it_and_is_heard_again_afterwards():
    before = [signal.getsignal(number) for number in ENDING]
    with undisturbed():
        for number in ENDING:
            os.kill(os.getpid(), number)
    assert [signal.getsignal(number) for number in ENDING] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
