"""A register that is read again and again: only what came since the last time is read.

What was verified once is kept as long as the file is the same and its row there is unchanged.
A new process, and `verify`, begin at the first row.
"""

import threading
from collections.abc import Callable
from typing import Generic

from torghut_assets.domain.backtest.register_checks import EntryT, RegisterPrefix
from torghut_assets.domain.backtest.trials import RegisterRow, TrialAnchor
from torghut_assets.resources.register_file import RegisterFile

RowsAfter = Callable[[int], list[RegisterRow]]


class KnownRegister(Generic[EntryT]):
    """Entries of one register file, verified.

    Parameters
    ----------
    file : RegisterFile
    read : callable
        Returns the entry that a row holds, or raises `EvidenceError`.
    """

    def __init__(self, file: RegisterFile, read: Callable[[RegisterRow], EntryT]) -> None:
        self._file = file
        self._read = read
        self._turn = threading.Lock()
        self._prefix, self._file_id = RegisterPrefix(read), 0

    def entries(self, rows_after: RowsAfter, anchor: TrialAnchor | None) -> tuple[EntryT, ...]:
        """Return all entries.

        Parameters
        ----------
        rows_after : callable
            Gives the rows beyond a sequence: of the file, or of whoever is its only writer.
        anchor : TrialAnchor or None
            Read before the rows: they may only get more.

        Raises
        ------
        EvidenceError
            The error of the file's kind, if anything was altered, cut off or put in.
        """
        with self._turn:
            rows = self._newer_rows(rows_after)
            for finding in self._prefix.take(rows, anchor):
                if finding.severity == "broken":
                    self._forget()
                    raise self._file.kind.broken(str(self._file.path), finding)
            return tuple(self._prefix.entries)

    def _newer_rows(self, rows_after: RowsAfter) -> list[RegisterRow]:
        if self._prefix.size and self._file.file_id() == self._file_id:
            rows = rows_after(self._prefix.size - 1)
            if rows and self._prefix.goes_on_with(rows[0]):
                return rows[1:]
        self._forget()
        return rows_after(0)

    def _forget(self) -> None:
        self._prefix, self._file_id = RegisterPrefix(self._read), self._file.file_id()
