"""Where a project keeps its state: the folder `TORGHUT_HOME`, and every path below it.

Nothing else in this project reads `TORGHUT_HOME` or `DAGSTER_HOME` or joins a path to them.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torghut_assets
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.artifact_place import STORE_URL, artifact_store
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.home_format import mark_new, require_format
from torghut_assets.resources.new_files import write_new

_SHIPPED_CONFIG = Path(torghut_assets.__file__).parent / "config"
DEFINITIONS_MODULE = "torghut_assets.definitions"
_DAGSTER_YAML = """\
# Written once by torghut; edit it freely. Reference: the Dagster instance documentation.
telemetry:
  enabled: false
nux:
  enabled: false
"""


class HomeUnusableError(BadInputError):
    """The home cannot be written to."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            location=f"home {path}",
            found=problem,
            expected="a folder that can be written to",
            action="Correct its permissions, or set TORGHUT_HOME to another folder.",
        )


@dataclass(frozen=True)
class Home:
    """Paths of one installation's state; `root` is absolute."""

    root: Path
    dagster_home: Path
    trial_anchor_path: Path
    store_url: str | None = None
    """`s3://BUCKET/PREFIX` if the artifacts are not kept in the home."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read `TORGHUT_HOME`, `DAGSTER_HOME`, `TORGHUT_TRIAL_ANCHOR`, `TORGHUT_STORE_URL`.

        Defaults: `.torghut` in the working directory, and `dagster` and
        `anchors/trials.json` below the home.
        """
        root = Path(os.environ.get("TORGHUT_HOME") or ".torghut").expanduser().resolve()
        dagster_home = os.environ.get("DAGSTER_HOME")
        anchor = os.environ.get("TORGHUT_TRIAL_ANCHOR")
        return cls(
            root=root,
            dagster_home=Path(dagster_home).resolve() if dagster_home else root / "dagster",
            trial_anchor_path=Path(anchor).resolve() if anchor else root / "anchors/trials.json",
            store_url=os.environ.get(STORE_URL) or None,
        )

    @classmethod
    def at(cls, root: Path) -> Self:
        """Return the home below `root`, whatever the environment says."""
        root = root.resolve()
        return cls(root, root / "dagster", root / "anchors/trials.json")

    @property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        return artifact_store(self.root, self.store_url)

    @property
    def candidates_folder(self) -> Path:
        """Submitted candidate files, one per id, never edited."""
        return self.root / "candidates"

    @property
    def universes_folder(self) -> Path:
        """Universe files that the user added."""
        return self.root / "universes"

    @property
    def trial_register_path(self) -> Path:
        """The SQLite file of the trial register."""
        return self.root / "ledger" / "trials.sqlite"

    @property
    def receipts_path(self) -> Path:
        """The SQLite file of the stage receipts."""
        return self.root / "ledger" / "receipts.sqlite"

    @property
    def receipts_anchor_path(self) -> Path:
        """The head of the stage receipts, beside that of the trial register."""
        return self.trial_anchor_path.with_name("receipts.json")

    @property
    def ledger_path(self) -> Path:
        """The SQLite file of the ledger of signed statements."""
        return self.root / "ledger" / "ledger.sqlite"

    @property
    def ledger_anchor_path(self) -> Path:
        """The ledger's last signed tree head, beside the anchor of the trial register."""
        return self.trial_anchor_path.with_name("ledger.json")

    @property
    def audit_index_path(self) -> Path:
        """The index over the evidence; derived, and made anew if it is gone."""
        return self.root / "index" / "audit.sqlite"

    @property
    def lineage_outbox_path(self) -> Path:
        """Which OpenLineage events were delivered; without it all are sent again."""
        return self.root / "lineage" / "openlineage.sqlite"

    @property
    def keys_folder(self) -> Path:
        """Private keys, readable by their owner only."""
        return self.root / "keys"

    @property
    def order_journal_path(self) -> Path:
        """The SQLite file of the order journal."""
        return self.root / "ledger" / "orders.sqlite"

    @property
    def order_journal_anchor_path(self) -> Path:
        """The head of the order journal, beside the anchor of the trial register."""
        return self.trial_anchor_path.with_name("orders.json")

    @property
    def turns_folder(self) -> Path:
        """Lock files: who makes which partition just now."""
        return self.root / "turns"

    @property
    def kill_folder(self) -> Path:
        """Latches of the kill switch, one file each."""
        return self.root / "kill"

    @property
    def kill_anchor_path(self) -> Path:
        """How many latches there are, beside the anchor of the trial register."""
        return self.trial_anchor_path.with_name("kill.json")

    @property
    def replay_broker_path(self) -> Path:
        """The replay broker's own state: nobody but the broker reads it."""
        return self.root / "brokers" / "replay.sqlite"

    @property
    def warehouse_folder(self) -> Path:
        """The warehouse and the export that it was built from; derived, may be deleted."""
        return self.root / "warehouse"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file of the warehouse."""
        return self.warehouse_folder / "warehouse.duckdb"

    def candidate_path(self, candidate_id: str) -> Path:
        """Where the candidate's submitted file is kept."""
        return self.candidates_folder / f"{candidate_id}.yaml"

    def draft_path(self, candidate_id: str) -> Path:
        """Where a candidate draft waits for a person; nothing reads this folder."""
        return self.root / "drafts" / f"{candidate_id}.yaml"

    def config_path(self, name: str) -> Path:
        """Return the setting file in force: that of the home, else the shipped one."""
        own = self.root / "config" / f"{name}.yaml"
        return own if own.is_file() else _SHIPPED_CONFIG / f"{name}.yaml"

    def require_format(self) -> None:
        """Refuse to work on a home of another format than this code makes.

        Raises
        ------
        HomeFormatError
            Saying whether to migrate it or to install newer code.
        """
        require_format(self.root)

    def prepare(self) -> None:
        """Make the folders, and a Dagster instance file unless there is one.

        Raises
        ------
        HomeFormatError
            If the home has another format.
        HomeUnusableError
            If a folder cannot be made or written to.
        """
        self.require_format()
        for folder in (self.root, self.candidates_folder, self.universes_folder, self.dagster_home):
            try:
                if folder != self.root:
                    mark_new(self.root)  # before the folders that say that somebody worked here
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise HomeUnusableError(folder, str(error.strerror)) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise HomeUnusableError(folder, "a folder without the permission to write")
        instance_file = self.dagster_home / "dagster.yaml"
        if not instance_file.exists():
            with contextlib.suppress(FileExistsError):  # another process was faster
                write_new(instance_file, _DAGSTER_YAML.encode())

    def environment(self) -> dict[str, str]:
        """Variables that make Dagster's own commands use this home and this code location."""
        return {
            "TORGHUT_HOME": str(self.root),
            "DAGSTER_HOME": str(self.dagster_home),
            "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": DEFINITIONS_MODULE,
        }
