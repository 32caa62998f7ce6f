"""What tests start ends with them, even if they are killed."""

import subprocess
import sys

import psutil

STARTER = """
import subprocess, sys, time
from tocsin_testkit.tied import tied
print(subprocess.Popen(tied([sys.executable, "-c", "import time; time.sleep(600)"])).pid, flush=True)
time.sleep(600)
"""


def test_what_is_tied_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not psutil.wait_procs([child], timeout=20)[1]
