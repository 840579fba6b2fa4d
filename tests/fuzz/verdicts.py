"""The outcome of one case of a campaign, and the count of all."""

import collections
import json
import signal
import traceback
from collections.abc import Callable
from typing import NamedTuple

from nasjax.errors import UserError

SECONDS = 120  # after which a case hangs
GOOD = ("same", "refused", "accepted")  # all other outcomes are faults


class Wrong(Exception):
    """A result that differs, without a word, from what was kept."""


class _Hang(BaseException):
    pass


class Verdict(NamedTuple):
    """A case and its outcome."""

    campaign: str
    case: str  # enough to make it again
    outcome: str  # "same", "refused", "accepted", "traceback", "hang" or "wrong"
    detail: str = ""


def judge(campaign: str, case: str, run: Callable[[], str]) -> Verdict:
    """Runs a case; `run` returns an outcome of GOOD, or raises."""

    def hang(number: int, frame: object) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        return Verdict(campaign, case, run())
    except UserError as error:
        lines = str(error).splitlines()
        if len(lines) == 1 and lines[0]:
            return Verdict(campaign, case, "refused", lines[0])
        return Verdict(campaign, case, "traceback", f"{len(lines)} lines: {error}")
    except _Hang:
        return Verdict(campaign, case, "hang", f"over {SECONDS} s")
    except Wrong as error:
        return Verdict(campaign, case, "wrong", str(error))
    except Exception:
        return Verdict(campaign, case, "traceback", traceback.format_exc()[-1500:])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(verdicts: list[Verdict]) -> str:
    """A row a campaign, in Markdown."""
    outcomes = (*GOOD, "traceback", "hang", "wrong")
    counts = collections.Counter((verdict.campaign, verdict.outcome) for verdict in verdicts)
    lines = ["| campaign | cases | " + " | ".join(outcomes) + " |", "| --- " * 8 + "|"]
    for campaign in sorted({verdict.campaign for verdict in verdicts}):
        found = [counts[campaign, outcome] for outcome in outcomes]
        lines.append(f"| {campaign} | {sum(found)} | " + " | ".join(map(str, found)) + " |")
    return "\n".join(lines)


def faults(verdicts: list[Verdict]) -> str:
    """A line of JSON for every fault."""
    bad = [verdict for verdict in verdicts if verdict.outcome not in GOOD]
    return "\n".join(json.dumps(verdict._asdict()) for verdict in bad)
