"""The leash: how everything that ``up`` started ends with it, even when it is killed.

Each child holds the reading end of one pipe whose writing end ``up`` alone has. Nothing is ever
written: when the read returns, ``up`` is gone, and the system itself has closed the pipe. (Linux
could signal children, but only Linux, and only in that moment: the pipe can also be looked at.)

PostgreSQL knows nothing of leashes; the *keeper* below holds one on its behalf.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time

from fahrwerk.kernel.postgres import runs

VARIABLE = "FAHRWERK_LEASH"
END_WITHIN_S = 7.0
_LET_OTHERS_END_S = 2.0


def hold() -> None:
    """In a child: take the leash that is in the environment, if there is one.

    When ``up`` is gone, this process gets the SIGTERM it would have got from it, and ends by force
    some seconds later. The variable goes, so that children of this child do not read it.
    """
    if (number := os.environ.pop(VARIABLE, None)) is None:
        return
    leash = int(number)

    def end_with_it() -> None:
        os.read(leash, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_WITHIN_S)
        os._exit(1)

    threading.Thread(target=end_with_it, name="leash", daemon=True).start()


def keep_database(leash: int, lock: str, pid_file: str) -> None:
    """The keeper: once ``up`` is gone without a word, end its PostgreSQL, cleanly.

    Unless a new ``up`` has the lock by then: it has taken the server over.
    """
    os.read(leash, 1)
    time.sleep(_LET_OTHERS_END_S)  # they write their last rows
    with open(lock, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(pid_file) as lines:
                pid = int(lines.readline())
            os.kill(pid, signal.SIGINT)
            while runs(pid):  # the lock is kept until it is gone: a new `up` waits for that
                time.sleep(0.05)
        except (OSError, ValueError):
            return


if __name__ == "__main__":
    keep_database(int(sys.argv[1]), sys.argv[2], sys.argv[3])
