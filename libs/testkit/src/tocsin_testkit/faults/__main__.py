"""Hurt a whole installation under load, and audit what became of it: `python -m tocsin_testkit.faults [--short] [--seed N] [--only RUN]`.

The auditor reads the provider's ledger, the senders' own log and the public API; never the platform's tables.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from tocsin_testkit.faults.audit import Verdict
from tocsin_testkit.faults.closing import closing
from tocsin_testkit.faults.kills import each_once, random_kills
from tocsin_testkit.faults.postgres_restarts import postgres_restarts
from tocsin_testkit.faults.power_cut import power_cut
from tocsin_testkit.faults.provider_storm import provider_storm
from tocsin_testkit.faults.wrong_clock import wrong_clock
from tocsin_testkit.faults.zombies import zombies

Run = Callable[[bool, int], Awaitable[Verdict]]

USUAL = "kills"
RUNS: dict[str, Run] = {
    USUAL: each_once,
    "random-kills": random_kills,
    "postgres-restarts": postgres_restarts,
    "wrong-clock": wrong_clock,
    "power-cut": power_cut,
    "provider-storm": provider_storm,
    "zombies": zombies,
    "closing": closing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer alerts, within a minute or two")
    parser.add_argument("--seed", type=int, default=20261123, help="decides the order and the seconds of what happens")
    parser.add_argument("--only", choices=RUNS, default=USUAL, help=f"which run (default: {USUAL})")
    chosen = parser.parse_args()
    print(f"{chosen.only}, seed {chosen.seed}: ", end="", flush=True)
    began = time.monotonic()

    async def run() -> Verdict:
        return await RUNS[chosen.only](chosen.short, chosen.seed)

    verdict = asyncio.run(run())
    for figure in verdict.figures:
        print(f"  {figure}")
    print(f"{verdict}; took {time.monotonic() - began:.0f} s")
    for problem in verdict.problems[:20]:
        print(f"  {problem}")
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()
