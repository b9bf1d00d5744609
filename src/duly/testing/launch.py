"""Becomes a server: gives up root, asks to die with its parent, and execs.

Run as a script by `duly.testing.processes`, with no site-packages. A script, and no
`preexec_fn`, for that one deadlocks in a process with threads (Python's subprocess docs).
Arguments: parent's pid, signal to die by, uid, gid, program, its arguments. A uid of -1
keeps the user.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = map(int, arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it (prctl(2)).
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # It died before we could ask.
            sys.exit("the parent is gone")
    os.execv(program[0], program)  # noqa: S606 - this is the whole purpose


if __name__ == "__main__":
    main(sys.argv[1:])
