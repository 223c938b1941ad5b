"""What the `torghut audit` commands share: a home opened for an audit, and how to name things."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from torghut_assets.resources.audit_index import AuditIndex
    from torghut_assets.resources.audit_reader import AuditReader


class OpenedAudit(NamedTuple):
    """A home's index, up to date, and what reads histories with it."""

    known: "AuditIndex"
    reader: "AuditReader"


@contextmanager
def audit_of(home: Home, *, rebuild: bool = False) -> Iterator[OpenedAudit]:
    """Open a home for an audit; the index is brought up to date with what is there.

    Dagster is loaded only if its event log has grown since.

    Raises
    ------
    EvidenceError
        If a register or the ledger contradicts itself.
    """
    from torghut_assets.assets.held_records import ASSETS
    from torghut_assets.resources.audit_index import AuditIndex
    from torghut_assets.resources.audit_reader import AuditReader
    from torghut_assets.resources.ledger import Ledger

    def dagster() -> "AbstractContextManager[DagsterInstance]":
        from torghut_assets.cli.instance import instance_of

        return instance_of(home)

    def stage_of_asset() -> Mapping[str, str]:
        from torghut_assets.domain.stages.loader import load_pipeline

        return {
            asset: stage.name
            for stage in load_pipeline(home.config_path("pipeline").read_bytes()).stages
            for asset in (*stage.prepares, *stage.output_assets)
        }

    home.prepare()
    record_types = {name: made.record_type for name, made in ASSETS.items()}
    with (
        closing(Ledger(home)) as ledger,
        AuditIndex.opened(home, dagster, ledger, tuple(ASSETS), rebuild=rebuild) as index,
    ):
        yield OpenedAudit(index, AuditReader(home, index, record_types, stage_of_asset))


def parse_moment(text: str) -> dt.datetime | int:
    """Return a ledger sequence or a moment in UTC.

    Raises
    ------
    BadInputError
        If it is neither, or a moment without its distance from UTC.
    """
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadInputError(
            location="--as-of",
            found=ascii(text)[:60],
            expected="a ledger entry's number, or a time such as 2026-03-02T12:00:00Z",
        )
    return moment.astimezone(dt.UTC)
