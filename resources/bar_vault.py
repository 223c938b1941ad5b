"""Bars, handed out only against an open ticket; the final holdout only against a receipt."""

from torghut_assets.domain.backtest.holdout import HoldoutWindow, holdout_window
from torghut_assets.domain.backtest.trials import HoldoutReceipt, TrialTicket
from torghut_assets.domain.candidates.strategy import BarPanel
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.trial_register import TrialRegister


class BarVault:
    """The only door of an evaluation to prices.

    The panel of `open` ends before the final holdout window, so that no backtest, stress
    or parameter choice can have seen it.
    """

    def __init__(self, store: ArtifactStore, register: TrialRegister) -> None:
        self._store = store
        self._register = register

    def open(self, manifest: SnapshotManifest, ticket: TrialTicket) -> BarPanel:
        """Return the bars before the final holdout, behind read-only views.

        Raises
        ------
        TicketNotOpenError
            If the register did not issue the ticket, or it has ended.
        EvidenceContradictionError
            If the ticket is for another snapshot.
        BadInputError
            If the snapshot is not longer than the holdout.
        """
        panel, window = self._read(manifest, ticket)
        return (panel.until(window.first_bar) if window else panel).read_only()

    def open_holdout(
        self, manifest: SnapshotManifest, ticket: TrialTicket
    ) -> tuple[BarPanel, HoldoutWindow, HoldoutReceipt]:
        """Burn the family's look at the holdout, then return all bars and the window.

        Raises
        ------
        HoldoutTooEarlyError, HoldoutSpentError
            If the family may not look (now, or any more).
        EvidenceContradictionError
            If the policy holds nothing back, and as for `open`.
        """
        panel, window = self._read(manifest, ticket)
        if window is None:
            raise EvidenceContradictionError(
                location="trial policy holdout_months", found="0", expected="a holdout window"
            )
        receipt = self._register.burn_holdout(ticket, window)
        return panel.read_only(), window, receipt

    def _read(
        self, manifest: SnapshotManifest, ticket: TrialTicket
    ) -> tuple[BarPanel, HoldoutWindow | None]:
        expected = ticket.trial.inputs.manifest_digest
        if manifest.digest != expected:
            raise EvidenceContradictionError(
                location=f"bars for trial ticket {ticket.sequence}",
                found=manifest.digest,
                expected=expected,
            )
        self._register.require_open(ticket)
        from torghut_assets.resources.bar_reader import read_panel

        panel = read_panel(manifest, self._store)
        return panel, holdout_window(panel.times, self._register.policy.holdout_months)
