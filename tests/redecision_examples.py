"""The records of a pack in memory, for what is decided again."""

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.redecided import TablesWithheldError
from torghut_assets.domain.evidence.keys import KeyRing


class Known:
    """Some records, a ledger, and what a backtest saw; see `redecided.Records`."""

    def __init__(self, *records, entries=(), seen=None):
        self.by_digest = {record.digest: record for record in records}
        self.entries = tuple(entries)
        self.ring = KeyRing()
        self.seen = seen

    def load(self, model, digest, *, needed_by):
        if digest not in self.by_digest:
            raise PackFaultError(PackFault.RECORD_MISSING, location=needed_by, detail=digest)
        record = self.by_digest[digest]
        return model.from_canonical_bytes(record.canonical_bytes(), location=digest)

    def of_kind(self, kind):
        return tuple(sorted(d for d, r in self.by_digest.items() if r.record_kind == kind))

    def reference(self, metrics, policy, symbols):  # noqa: ARG002 - the protocol's
        if self.seen is None:
            raise TablesWithheldError
        return self.seen

    def without(self, record):
        """The same without one record."""
        rest = [r for r in self.by_digest.values() if r.digest != record.digest]
        return Known(*rest, entries=self.entries, seen=self.seen)
