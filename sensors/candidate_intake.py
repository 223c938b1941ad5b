"""A new candidate file in the home becomes a partition and a build run."""

import dagster as dg

from torghut_assets.assets.keys import STRATEGY_BUILD
from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import TorghutError
from torghut_assets.resources.candidate_files import read_submission
from torghut_assets.resources.home import Home


@dg.sensor(
    job_name="build_candidate",
    description=(
        "Request one build per new candidate file; a bad file is logged and holds nothing up."
    ),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def candidate_intake(
    context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
) -> dg.SensorResult | dg.SkipReason:
    """Request one build per new candidate file; a bad file is logged and holds nothing up."""
    known = set(context.instance.get_dynamic_partitions(str(CANDIDATES.name)))
    built = context.instance.get_materialized_partitions(STRATEGY_BUILD)
    requests: list[dg.RunRequest] = []
    refused: list[str] = []
    for path in sorted(home.candidates_folder.glob("*.yaml")):
        if path.stem in built:  # asked of all at once: a tick reads only what is new
            continue
        try:
            payload = read_submission(path)
            spec = parse_candidate_spec(payload, location=path.name)
        except TorghutError as error:
            refused.append(str(error))
            continue
        if spec.candidate_id != path.stem:
            refused.append(f"{path.name}: holds candidate {spec.candidate_id}; rename the file.")
            continue
        requests.append(
            dg.RunRequest(
                run_key=f"{spec.candidate_id}-{sha256_hex(payload)}",
                partition_key=spec.candidate_id,
            )
        )
    for reason in refused:
        context.log.warning(reason)
    if not requests:
        return dg.SkipReason("; ".join(refused) or "no candidate file that was not built yet")
    new = [r.partition_key for r in requests if r.partition_key and r.partition_key not in known]
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[CANDIDATES.build_add_request(new)] if new else [],
    )
