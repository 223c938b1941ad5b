"""What the `torghut audit` commands share: the index of a home, up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.resources.audit_index import AuditIndex


@contextmanager
def audit_index(home: Home, *, rebuild: bool = False) -> "Iterator[AuditIndex]":
    """Open the index of a home, brought up to date with store, registers, ledger and events.

    Raises
    ------
    EvidenceError
        If a register or the ledger contradicts itself.
    """
    from torghut_assets.definitions import HELD
    from torghut_assets.resources.audit_index import AuditIndex
    from torghut_assets.resources.ledger import Ledger

    with (
        instance_of(home) as instance,
        AuditIndex.opened(home, instance, Ledger(home), tuple(HELD), rebuild=rebuild) as index,
    ):
        yield index
