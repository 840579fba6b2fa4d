"""Shows how far a command is."""

import sys
import time
from collections.abc import Callable
from typing import IO, Any, Self

SECONDS = 30.0  # between the lines of a file: a scheduler's log stays readable


class Progress:
    """Counts towards a total and shows it on stderr.

    On a terminal it is one line that updates (tqdm); elsewhere, as in a scheduler's log, a line
    without control characters: the first count, the last one, and every half minute in between.

    Args:
      total: counts until the end.
      unit: what is counted, in the plural, e.g. "rounds".
      initial: counts of an earlier process; they take no part in the rate.
      shown: False shows nothing.
      file: where it is written, by default stderr.
      clock: seconds, for the plain lines.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        initial: int = 0,
        shown: bool = True,
        file: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.count = initial
        self._total, self._unit = total, unit
        self._file = file or sys.stderr
        self._clock, self._start, self._initial = clock, clock(), initial
        self._description, self._facts = "", ""
        self._written: tuple[float, str] | None = None  # when the last plain line was, and it
        self._bar: Any = None
        self._is_plain = shown and not self._file.isatty()
        if shown and not self._is_plain:
            from tqdm import tqdm  # not on a bare accelerator image, where nothing is shown

            self._bar = tqdm(
                total=total,
                initial=initial,
                unit=f" {unit}",
                unit_scale=total >= 10_000,
                file=self._file,
                dynamic_ncols=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def update(self, counts: int = 1) -> None:
        """Counts on."""
        self.count += counts
        if self._bar is not None:
            self._bar.update(counts)
        self._show_if_due()

    def describe(self, text: str) -> None:
        """Says before the count what is under way."""
        self._description = text
        if self._bar is not None:
            self._bar.set_description(text)

    def show(self, **facts: Any) -> None:
        """Says after the count what was found, by name."""
        self._facts = ", ".join(f"{name}={value}" for name, value in facts.items())
        if self._bar is not None:
            self._bar.set_postfix_str(self._facts)
        self._show_if_due()

    def close(self) -> None:
        """Leaves the line as it stands; a second call does nothing."""
        if self._bar is not None:
            self._bar.close()
        elif self._is_plain:
            self._show(self._clock())
        self._bar, self._is_plain = None, False

    def _show_if_due(self) -> None:
        now = self._clock()
        if self._is_plain and (self._written is None or now - self._written[0] >= SECONDS):
            self._show(now)

    def _show(self, now: float) -> None:
        seconds = now - self._start
        done = f"{self.count}/{self._total} {self._unit}"
        counted = self.count - self._initial
        rate = f", {counted / seconds:.3g} {self._unit}/s" if counted and seconds > 0 else ""
        named = f"{self._description}: " if self._description else ""
        found = f", {self._facts}" if self._facts else ""
        line = f"{named}{done}{found}"
        if self._written is None or self._written[1] != line:
            print(f"{line}, {seconds:.0f} s{rate}", file=self._file, flush=True)
        self._written = now, line
