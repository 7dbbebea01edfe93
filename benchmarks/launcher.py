"""Runs one command and says what it took, all its children included.

A process of its own, small and without imports, because Linux counts the memory of whoever starts
a program as the program's: a program's peak is never told as less than this launcher's, 9 MB.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    report, timeout_s, *command = sys.argv[1:]
    started_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, setpgroup=0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.alarm(int(timeout_s))
    _, status, used = os.wait4(pid, 0)
    told = {
        "wall_s": time.perf_counter() - started_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_rss_bytes": used.ru_maxrss * 1024,
        "exit_code": os.waitstatus_to_exitcode(status),
    }
    with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123  (pathlib is 2 MB)
        json.dump(told, file)


main()
