"""Becomes another program, which ends when the process that started it ends.

    python -I -S launcher.py PARENT SIGNAL UID:GID PROGRAM [ARGUMENT…]

PARENT is the process id of whoever starts it, SIGNAL the number that the program gets when that one dies, UID:GID the account to
run as ("-" for the present one). It is a program of its own because running code between fork and exec is not safe in a process
that has threads. It uses nothing but the standard library, so that it can run without any of the installed packages.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def launch(parent: int, signal_number: int, account: str, command: list[str]) -> None:
    """Replace this process by `command`. Raises OSError if that is not possible."""
    if account != "-":
        become(account)
    # After the change of account: the kernel forgets the wish when the credentials change.
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")
    os.execv(command[0], command)  # noqa: S606 - without a shell on purpose


def become(account: str) -> None:
    """Give up the rights of root for those of UID:GID."""
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


if __name__ == "__main__":
    launch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
