"""The checks behind `torghut handoff run`: each is made for real, none believes a manifest.

A check collects what speaks against it; nothing stops at the first refusal. What the checks
saw becomes the artifact set.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.cli.dag import graph_shape
from torghut_assets.cli.rehearsal import rehearse
from torghut_assets.cli.rehearsed_home import Validated
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.handoff.agreement import completeness, disagreements
from torghut_assets.domain.handoff.catalogue import DAG, split_name
from torghut_assets.domain.handoff.records import (
    HandoffCheck,
    HandoffReport,
    ImplementationSpec,
)
from torghut_assets.domain.stages.agreement import prove
from torghut_assets.domain.stages.config import PipelineConfig
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.resources.handoff_files import Repository
from torghut_assets.resources.home import Home

DRY_RUNS: Final = ("paper", "gate-fail", "rollback")
_VALIDATED_BY: Final = "promote-to-gate"


class HandoffRun(NamedTuple):
    """What the checks came to, and the files that show it."""

    report: HandoffReport
    files: dict[str, bytes]


class HandoffChecks:
    """The checks of one specification; each adds to `checks` and to `files`.

    Parameters
    ----------
    repository : Repository
    manifest : Path
        The specification's file; the other manifests lie beside it.
    say : callable
        Called with each line of the rehearsals.
    """

    def __init__(self, repository: Repository, manifest: Path, say: Callable[[str], None]) -> None:
        self._repository = repository
        self._manifest = manifest
        self._say = say
        self._spec = repository.read_spec(manifest)
        path = repository.root / self._spec.values.pipeline_config_path
        self._payload = path.read_bytes()
        self._pipeline: PipelineConfig | None = None
        self._validated: list[Validated] = []
        self.checks: list[HandoffCheck] = []
        self.files = {"specification.yaml": manifest.read_bytes(), "pipeline.yaml": self._payload}

    def run(self) -> HandoffRun:
        """Make every check of the specification's kind.

        The specification of the whole is checked with its bundle and its rehearsals; a lane
        is checked against the pipeline.
        """
        spec, name = self._spec, split_name(self._spec.name)
        commit = self._repository.commit_of(spec.values.head)
        self._code(commit)
        self._dag_config()
        if name is not None and name[0] == DAG:
            self._bundle()
            first = self._dry_run(_VALIDATED_BY)
            self.checks += [self._dry_run(path) for path in DRY_RUNS]
            self._stage_validation(first)
        else:
            wrong = disagreements(spec, self._pipeline) if self._pipeline else _NO_PIPELINE
            self._add("contract", "the contract against its stages", wrong)
        report = HandoffReport(
            spec_name=spec.name,
            spec_digest=spec.digest,
            pipeline_digest=self._pipeline.digest if self._pipeline else None,
            head_commit=commit,
            checks=tuple(self.checks),
        )
        return HandoffRun(report, {**self.files, "report.json": report.canonical_bytes()})

    def _add(self, check: str, found: str, refusals: Sequence[str]) -> None:
        self.checks.append(HandoffCheck(check=check, found=found, refusals=tuple(refusals)))

    def _code(self, commit: str | None) -> None:
        """The code that makes these checks is the repository's."""
        count, differing = self._repository.code_that_differs()
        where = f"{self._spec.values.head} is {commit}" if commit else "no commit known"
        wrong = [f"{path} is not the file that runs" for path in differing]
        self._add("code", f"{count} files compared with those that run, {where}", wrong)

    def _dag_config(self) -> None:
        """The pipeline keeps its rules, and it and the asset graph agree."""
        location = self._spec.values.pipeline_config_path
        try:
            self._pipeline = load_pipeline(self._payload, location=location)
        except TorghutError as error:
            self._add("dag_config", location, [str(error)])
            return
        proof = prove(self._pipeline, graph_shape(Home.from_environment(), self._pipeline))
        self.files["dag-proof.json"] = canonical_json(
            {
                "shown": [step._asdict() for step in proof.steps],
                "not_yet": list(proof.not_yet),
                "disagreements": list(proof.disagreements),
            }
        )
        found = f"{len(proof.steps)} claims shown, {len(proof.not_yet)} not to be looked at yet"
        self._add("dag_config", found, proof.disagreements)

    def _bundle(self) -> None:
        """Every lane's manifest is there, can be read and says what the pipeline says."""
        lanes: dict[str, ImplementationSpec] = {}
        wrong: list[str] = []
        for path in sorted(self._manifest.resolve().parent.glob("*.yaml")):
            if path == self._manifest.resolve():
                continue
            try:
                lanes[path.stem] = self._repository.read_spec(path)
            except TorghutError as error:
                wrong.append(str(error))
            else:
                self.files[f"lanes/{path.name}"] = path.read_bytes()
        wrong += completeness(self._spec, lanes, self._pipeline) if self._pipeline else _NO_PIPELINE
        self._add("contract_completeness", f"{len(lanes)} manifests beside this one", wrong)

    def _dry_run(self, path: str) -> HandoffCheck:
        """Rehearse a path on the specification's pipeline; keep every line that it said."""
        lines: list[str] = []

        def heard(line: str) -> None:
            lines.append(line)
            self._say(f"{path}: {line}")

        wrong = []
        try:
            self._validated += rehearse(path, heard, self._payload)
        except TorghutError as error:
            wrong.append(str(error))
            lines.append(f"REFUSED  {error}")
        self.files[f"dry-run-{path}.txt"] = "".join(f"{line}\n" for line in lines).encode()
        done = sum(line.startswith("ran ") for line in lines)
        refused = sum(line.startswith("refused ") for line in lines)
        return HandoffCheck(
            check=f"dry_run_{path.replace('-', '_')}",
            found=f"{done} steps ran, {refused} attempts refused as they must",
            refusals=tuple(wrong),
        )

    def _stage_validation(self, first: HandoffCheck) -> None:
        """Every active stage was validated on real records, also with a refusal at the gate."""
        wrong = [*first.refusals, *(() if self._pipeline else _NO_PIPELINE)]
        found = {(each.stage, each.outcome) for each in self._validated}
        self.files["stage-validation.json"] = canonical_json(
            [[v.stage, v.candidate, v.outcome.value] for v in self._validated]
        )
        if self._pipeline:
            wrong += [
                f"{stage.name} is active, and no candidate's {stage.name} was validated"
                for stage in self._pipeline.stages
                if stage.active and not any(name == stage.name for name, _ in found)
            ]
            if (self._pipeline.freeze.stage, Outcome.FAIL) not in found:
                wrong.append(f"no refusal by {self._pipeline.freeze.stage} was validated")
        shown = f"{len(self._validated)} decisions judged again, each as its receipt says"
        self._add("stage_validation", shown, wrong)


_NO_PIPELINE: Final = ("there is no pipeline to compare with: see dag_config",)
