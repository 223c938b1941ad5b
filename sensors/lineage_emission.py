"""Every run is told to the OpenLineage collector that the environment names, if it names one."""

import os
from typing import Final

import dagster as dg

from torghut_assets.assets.keys import ASSETS, AUDITED
from torghut_assets.resources.home import Home

_LINEAGE_TO: Final = "TORGHUT_LINEAGE"


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def lineage_emission(
    context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
) -> dg.SkipReason:
    """Deliver the events that are due. A tick that fails leaves them for the next one."""
    place = os.environ.get(_LINEAGE_TO)
    if not place:
        return dg.SkipReason(f"{_LINEAGE_TO} names no collector")
    from torghut_assets.resources.openlineage_outbox import Outbox

    held = {**ASSETS, **AUDITED}
    outbox = Outbox(home, place, {name: made.record_type for name, made in held.items()})
    done = outbox.emit(context.instance)
    refused = f", {len(done.refused)} refused: {done.refused[0]}" if done.refused else ""
    return dg.SkipReason(f"{done.delivered} events delivered{refused}")
