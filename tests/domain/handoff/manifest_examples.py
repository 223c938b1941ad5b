"""Manifests for the tests: those that ship, and ways to change one."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "docs" / "handoff"
DAG = "torghut-v3-loop-dag-impl-v1"
LANE = "torghut-v3-live-ramp-v1"
AUDIT = "torghut-v3-audit-pack-v1"
NAMES = (
    DAG,
    "torghut-v3-research-intake-v1",
    "torghut-v3-candidate-build-v1",
    "torghut-v3-backtest-robustness-v1",
    "torghut-v3-gate-evaluation-v1",
    "torghut-v3-shadow-paper-run-v1",
    LANE,
    "torghut-v3-incident-recovery-v1",
    AUDIT,
)


class _WithoutAliases(yaml.SafeDumper):
    """Writes a value that occurs twice twice: aliases are refused when they are read."""

    def ignore_aliases(self, _data):
        return True


def manifest(name: str) -> dict:
    """Return a shipped manifest as plain data that a test may change."""
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def changed(data: dict, path: str, value: object = None, *, delete: bool = False) -> bytes:
    """Return a manifest as YAML after one value at a dotted path was set or deleted."""
    *above, last = path.split(".")
    target = data
    for part in above:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if delete:
        del target[last]
    else:
        target[int(last) if isinstance(target, list) else last] = value
    return yaml.dump(data, Dumper=_WithoutAliases, sort_keys=False).encode()
