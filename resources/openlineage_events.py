"""OpenLineage events of one Dagster run, built from its event log alone.

The same run gives the same bytes whenever it is asked, so that an event that is sent twice is the
same event. A dataset is an asset's partition; its version is the digest of its record. A check
reads what it judges, so what was checked is among the inputs, with the assertions.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.evidence.lineage_facets import (
    CODE_FACET,
    DIGEST_FACET,
    CodeFacet,
    DigestFacet,
    schema_urn,
)
from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.lineage import (
    LEDGER_SEQUENCE,
    STATEMENT_DIGEST,
    input_digests,
)
from torghut_assets.resources.source_location import SourceLocation
from torghut_assets.version import __version__

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

NAMESPACE: Final = "torghut"
PRODUCER: Final = f"https://torghut.dev/producers/torghut-assets/{__version__}"
_DATA_VERSION: Final = "dagster/data_version"
_ENDS: Final = {
    DagsterRunStatus.SUCCESS: "COMPLETE",
    DagsterRunStatus.FAILURE: "FAIL",
    DagsterRunStatus.CANCELED: "ABORT",
}
_BEGUN: Final = frozenset({DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING, *_ENDS})
_BACKFILLS: Final = uuid.UUID("6f1d3c52-5c39-4b0e-9d0a-2f6d5a1c7e90")
_PARENT_RUN: Final = "dagster/parent_run_id"
_BACKFILL: Final = "dagster/backfill"


class Made(NamedTuple):
    """A version of a dataset: asset, partition, digest, and its statement if it has one."""

    asset: str
    partition: str | None
    digest: str
    statement: str | None = None
    sequence: int | None = None

    @property
    def name(self) -> str:
        """How the dataset is called."""
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset


class Judged(NamedTuple):
    """What one check said about a dataset."""

    asset: str
    partition: str | None
    check: str
    passed: bool
    severity: str
    description: str | None


def due_types(status: DagsterRunStatus) -> tuple[str, ...]:
    """Return the types of events that a run of a status owes, in order."""
    if status not in _BEGUN:
        return ()
    end = _ENDS.get(status)
    return ("START",) if end is None else ("START", end)


class RunEvents:
    """Builds the events of runs of one home.

    Parameters
    ----------
    store : ArtifactStore
        Where inputs say which partition they are about.
    record_types : mapping of str to type
        What every asset holds.
    code_of_run : callable
        Returns the digest of the code that the signed statements of a run name.
    source : SourceLocation or None
        Where the installed code is kept, if that is known.

    Raises
    ------
    BadInputError
        If the extra `lineage` is not installed.
    """

    def __init__(
        self,
        store: ArtifactStore,
        record_types: Mapping[str, type[Record]],
        code_of_run: Mapping[str, str],
        source: SourceLocation | None,
    ) -> None:
        self._client = _client()
        self._store = store
        self._record_types = record_types
        self._code_of_run = code_of_run
        self._source = source

    def build(
        self, instance: dg.DagsterInstance, record: dg.RunRecord, event_type: str
    ) -> "RunEvent":
        """Return one event of a run; `event_type` is one of `due_types`."""
        event = self._client.event_v2
        started = record.start_time or record.create_timestamp.timestamp()
        at = started if event_type == "START" else record.end_time or started
        made, inputs, judged, problem = (
            ([], {}, [], None) if event_type == "START" else self._happened(instance, record)
        )
        run = record.dagster_run
        built: RunEvent = event.RunEvent(
            eventType=event.RunState[event_type],
            eventTime=_moment(at),
            run=event.Run(runId=run.run_id, facets=self._run_facets(run, problem)),
            job=event.Job(
                namespace=NAMESPACE, name=run.job_name, facets=self._job_facets(run.run_id)
            ),
            inputs=self._inputs(inputs, judged, made),
            outputs=[self._output(each) for each in made],
            producer=PRODUCER,
        )
        return built

    def _happened(
        self, instance: dg.DagsterInstance, record: dg.RunRecord
    ) -> tuple[list[Made], dict[str, Made], list[Judged], str | None]:
        """Read what a run made, read and judged, and why it failed."""
        made: list[Made] = []
        inputs: dict[str, Made] = {}
        judged: list[Judged] = []
        problem = None
        wanted = {
            DagsterEventType.ASSET_MATERIALIZATION,
            DagsterEventType.ASSET_CHECK_EVALUATION,
            DagsterEventType.STEP_FAILURE,
            DagsterEventType.RUN_FAILURE,
        }
        for log in instance.all_logs(record.dagster_run.run_id, of_type=wanted):
            found = log.get_dagster_event()
            if (each := log.asset_materialization) is not None:
                made.append(_made(each))
                for name, digest in input_digests(each.metadata).items():
                    inputs[digest] = Made(name, self._partition_of(name, digest), digest)
            elif found.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
                judged.append(_judged(found.asset_check_evaluation_data))
            elif problem is None:
                problem = _first_line(found)
        return made, inputs, judged, problem

    def _partition_of(self, asset: str, digest: str) -> str | None:
        """Return what an input is about, as its record says; `None` if it is not readable."""
        model = self._record_types.get(asset)
        if model is None or not is_digest(digest) or digest not in self._store:
            return None
        try:
            payload = self._store.get(digest)
            return model.from_canonical_bytes(payload, location=asset).subject
        except EvidenceError:
            return None

    def _inputs(
        self, read: Mapping[str, Made], judged: list[Judged], made: list[Made]
    ) -> "list[InputDataset]":
        """Return what was read, and what was judged with the judgement."""
        own = {(each.asset, each.partition): each for each in made}
        assertions: dict[str, list[Any]] = {}
        datasets = {each.name: each for each in read.values()}
        for each in judged:
            about = own.get((each.asset, each.partition)) or Made(each.asset, each.partition, "")
            datasets.setdefault(about.name, about)
            assertions.setdefault(about.name, []).append(self._assertion(each))
        quality = self._client.quality.DataQualityAssertionsDatasetFacet
        return [
            self._client.event_v2.InputDataset(
                namespace=NAMESPACE,
                name=name,
                facets=self._facets(datasets[name]),
                inputFacets={
                    "dataQualityAssertions": quality(assertions=assertions[name], producer=PRODUCER)
                }
                if name in assertions
                else {},
            )
            for name in sorted(datasets)
        ]

    def _assertion(self, each: Judged) -> Any:
        return self._client.quality.Assertion(
            assertion=each.check,
            success=each.passed,
            severity=each.severity,
            description=each.description,
        )

    def _output(self, made: Made) -> "OutputDataset":
        built: OutputDataset = self._client.event_v2.OutputDataset(
            namespace=NAMESPACE, name=made.name, facets=self._facets(made), outputFacets={}
        )
        return built

    def _facets(self, made: Made) -> dict[str, Any]:
        """Return the facets of a dataset: version, schema, and our own with the digest."""
        client = self._client
        facets: dict[str, Any] = {}
        if is_digest(made.digest):
            facets["version"] = client.version.DatasetVersionDatasetFacet(
                datasetVersion=made.digest, producer=PRODUCER
            )
            facets["torghut_digest"] = DigestFacet(
                _producer=PRODUCER,
                _schemaURL=schema_urn(DIGEST_FACET),
                digest=made.digest,
                asset=made.asset,
                partition=made.partition,
                statementDigest=made.statement,
                ledgerSequence=made.sequence,
            ).model_dump(by_alias=True)
        if (model := self._record_types.get(made.asset)) is not None:
            facets["schema"] = client.schema.SchemaDatasetFacet(
                fields=[
                    client.schema.SchemaDatasetFacetFields(name=name, type=kind)
                    for name, kind in _fields(model)
                ],
                producer=PRODUCER,
            )
        return facets

    def _job_facets(self, run_id: str) -> dict[str, Any]:
        code = self._code_of_run.get(run_id)
        facets: dict[str, Any] = {
            "torghut_code": CodeFacet(
                _producer=PRODUCER,
                _schemaURL=schema_urn(CODE_FACET),
                package=f"torghut-assets {__version__}",
                codeDigest=code,
            ).model_dump(by_alias=True),
            "jobType": self._client.job_type.JobTypeJobFacet(
                processingType="BATCH", integration="DAGSTER", jobType="JOB", producer=PRODUCER
            ),
        }
        if self._source is not None and code == self._source.code_digest:
            facets["sourceCodeLocation"] = self._client.location.SourceCodeLocationJobFacet(
                type="git",
                url=self._source.url,
                repoUrl=self._source.repository,
                version=self._source.commit,
                producer=PRODUCER,
            )
        return facets

    def _run_facets(self, run: dg.DagsterRun, problem: str | None) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        parent = self._client.parent
        if backfill := run.tags.get(_BACKFILL):
            of, job = str(uuid.uuid5(_BACKFILLS, backfill)), f"backfill {backfill}"
        elif (of := run.tags.get(_PARENT_RUN, "")) and _is_uuid(of):
            job = run.job_name
        else:
            of, job = "", ""
        if of:
            facets["parent"] = parent.ParentRunFacet(
                run=parent.Run(runId=of),
                job=parent.Job(namespace=NAMESPACE, name=job),
                producer=PRODUCER,
            )
        if problem is not None:
            facets["errorMessage"] = self._client.error.ErrorMessageRunFacet(
                message=problem, programmingLanguage="PYTHON", producer=PRODUCER
            )
        return facets


def _made(each: dg.AssetMaterialization) -> Made:
    statement, sequence = each.metadata.get(STATEMENT_DIGEST), each.metadata.get(LEDGER_SEQUENCE)
    return Made(
        asset=each.asset_key.to_user_string(),
        partition=each.partition,
        digest=(each.tags or {}).get(_DATA_VERSION, ""),
        statement=str(statement.value) if statement is not None else None,
        sequence=sequence.value if isinstance(sequence, dg.IntMetadataValue) else None,
    )


def _judged(found: Any) -> Judged:
    return Judged(
        asset=found.asset_key.to_user_string(),
        partition=found.partition,
        check=found.check_name,
        passed=bool(found.passed),
        severity="error" if found.severity is dg.AssetCheckSeverity.ERROR else "warn",
        description=found.description,
    )


def _first_line(found: Any) -> str:
    """Return the first line of an error: no trace, which may quote what is secret."""
    data = found.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and getattr(error, "cause", None) is not None:
        error = error.cause
    text = error.message if error is not None else found.message or "failed"
    return " ".join(text.split())[:500]


def _fields(model: type[Record]) -> Iterator[tuple[str, str]]:
    """Yield name and JSON type of each field of a record."""
    for name, form in model.model_json_schema(mode="serialization")["properties"].items():
        kinds = [form, *form.get("anyOf", ())]
        yield name, next((str(k["type"]) for k in kinds if "type" in k), "object")


def _moment(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


class _Client(NamedTuple):
    """The modules of openlineage-python that are used."""

    event_v2: Any
    quality: Any
    version: Any
    schema: Any
    parent: Any
    location: Any
    error: Any
    job_type: Any


def _client() -> _Client:
    try:
        from openlineage.client import event_v2
        from openlineage.client.generated import (
            data_quality_assertions_dataset,
            dataset_version_dataset,
            error_message_run,
            job_type_job,
            parent_run,
            schema_dataset,
            source_code_location_job,
        )
    except ImportError as error:
        raise BadInputError(
            location="OpenLineage",
            found="openlineage-python is not installed",
            expected="the extra `lineage`",
            action="Install it with: pip install 'torghut-assets[lineage]'",
        ) from error
    return _Client(
        event_v2=event_v2,
        quality=data_quality_assertions_dataset,
        version=dataset_version_dataset,
        schema=schema_dataset,
        parent=parent_run,
        location=source_code_location_job,
        error=error_message_run,
        job_type=job_type_job,
    )
