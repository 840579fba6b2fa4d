"""Runs the campaigns: python -m tests.fuzz --seed=0 --configs=2000 --files=2000 --kills=100."""

import argparse
import logging
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from tests.fuzz import configs, damage, kills
from tests.fuzz.verdicts import GOOD, Verdict, faults, table


def main() -> None:
    """Prints a table of outcomes, and every fault as a line of JSON; code 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--configs", type=int, default=400, help="changed configs")
    parser.add_argument("--files", type=int, default=400, help="damaged files")
    parser.add_argument("--kills", type=int, default=10, help="commands that are killed")
    given = parser.parse_args()
    logging.disable()
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for campaign, count in (
            (configs.run, given.configs),
            (damage.run, given.files),
            (kills.run, given.kills),
        ):
            for verdict in campaign(given.seed, count, folder):
                found.append(verdict)
                if verdict.outcome not in GOOD:
                    sys.stderr.write(faults([verdict]) + "\n")
                if len(found) % 100 == 0:
                    sys.stderr.write(f"{len(found)} cases\n")
    sys.stdout.write(f"seed {given.seed}\n\n{table(found)}\n")
    sys.exit(any(verdict.outcome not in GOOD for verdict in found))


if __name__ == "__main__":
    main()
