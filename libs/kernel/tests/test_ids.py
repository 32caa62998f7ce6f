"""Ids sort by when they were made, and no two are the same, whoever makes them."""

import subprocess
import sys
from uuid import RFC_4122, UUID

from tocsin_kernel.ids import CHANCE_BYTES, RandomIds

IN_TWO_PROCESSES = """
import os
from tocsin_kernel.ids import RandomIds
RandomIds().new()
child = os.fork()
# All of the id but its time.
drawn = [RandomIds().new()[14:] for _ in range(20)]
# One after the other: what two write at once to one pipe can mix.
if child:
    os.waitpid(child, 0)
print(*drawn, sep="\\n", flush=True)
"""


def test_later_ids_sort_after_earlier_ones_and_are_of_version_7() -> None:
    ids = [RandomIds().new() for _ in range(CHANCE_BYTES)]
    assert ids == sorted(set(ids))
    assert {(UUID(each).version, UUID(each).variant) for each in ids} == {(7, RFC_4122)}


def test_a_forked_process_draws_its_own_chance() -> None:
    done = subprocess.run([sys.executable, "-c", IN_TWO_PROCESSES], capture_output=True, text=True, check=True)
    drawn = done.stdout.split()
    assert len(drawn) == len(set(drawn)) == 40
