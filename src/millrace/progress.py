"""Progress reporting: a bar in a terminal, an occasional line in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts units of work and reports progress and rate on standard error.

    A terminal gets a bar with the rate and the remaining time. A log gets plain lines: always the
    first and the last, and in between at most one per ten seconds. Use it as a context manager.

    Args:
      total: the number of units; None if unknown.
      unit: what is counted, such as "rows"; "B" for bytes.
      description: what is being done, such as "ingest".
    """

    def __init__(self, total: int | None, unit: str, description: str) -> None:
        self._total, self._unit, self._description = total, unit, description
        self._done, self._note = 0, ""
        self._started = self._printed = time.monotonic()
        self._bar = (
            tqdm(total=total, unit=unit, desc=description, unit_scale=True)
            if sys.stderr.isatty()
            else None
        )
        if self._bar is None:
            of_total = "" if total is None else f" {total:,} {unit}"
            print(f"{description}:{of_total} …", file=sys.stderr, flush=True)

    def update(self, count: int = 1, note: str = "") -> None:
        """Adds `count` finished units; `note` is shown after them, such as the current loss."""
        self._done += count
        self._note = f", {note}" if note else ""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._print()

    def say(self, text: str) -> None:
        """Prints a separate line, such as an epoch's losses, without breaking the bar."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._print()

    def _print(self) -> None:
        self._printed = time.monotonic()
        seconds = max(self._printed - self._started, 1e-9)
        rate = self._done / seconds
        line = f"{self._description}: {self._done:,} {self._unit}"
        if self._total is not None and self._done < self._total:
            line += f" of {self._total:,} ({100 * self._done / self._total:.0f} %)"
            if rate:
                line += f", {(self._total - self._done) / rate:,.0f} s left"
        line += f", {seconds:.1f} s, {rate:,.0f} {self._unit}/s{self._note}"
        print(line, file=sys.stderr, flush=True)
