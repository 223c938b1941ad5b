"""A proposed parameter becomes a bounded one, and bounded ones become a candidate draft.

Only numbers and choices within the plugin's own schema get from a model into a draft. Its
words do not: they stay in the note. A draft is a new candidate with a parent, in the folder
`drafts`. A person reads it, corrects it and submits it, or throws it away; nothing here
submits anything or edits any candidate.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml

from torghut_assets.advisory.forms import ProposedChange
from torghut_assets.advisory.records import BoundedChange, DraftRef
from torghut_assets.domain.candidates.grid import parameter_grid
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.candidates.records import CandidateSpec, ParameterValue, StrategyBuild
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import round_significant
from torghut_assets.resources.home import Home
from torghut_assets.resources.new_files import write_new
from torghut_assets.resources.strategy_plugins import load_strategy

AUTHOR: Final = "advisory draft, read by nobody yet"
_HEAD: Final = """\
# A draft made of advice. Nobody has read or submitted it. Its thesis is its parent's: say what
# the changed parameters have to do with it, correct the author, then submit the file with
#   torghut candidate add FILE
"""


class Bounded(NamedTuple):
    """What a schema left of a proposed value, and how."""

    value: ParameterValue | None
    handling: str


class Citation(NamedTuple):
    """The record that a child of a candidate must cite."""

    digest: str
    note: str


def bounded_changes(
    asked: tuple[ProposedChange, ...], build: StrategyBuild
) -> tuple[BoundedChange, ...]:
    """Cut every proposed value to the plugin's parameter schema, or drop it.

    Parameters
    ----------
    asked : tuple of ProposedChange
        What the model proposed, in any size and type.
    build : StrategyBuild
        Its `parameter_schema_json` has the bounds; its `parameters` are those in use.
    """
    schema: dict[str, Any] = json.loads(build.parameter_schema_json).get("properties", {})
    done: list[BoundedChange] = []
    for change in asked:
        if any(earlier.parameter == change.parameter for earlier in done):
            left = Bounded(None, "dropped: proposed twice, the first counts")
        else:
            left = bounded(change.value, schema.get(change.parameter))
        if left.value is not None and _same(left.value, build.parameters.get(change.parameter)):
            left = Bounded(None, "dropped: this is the value in use")
        done.append(
            BoundedChange(
                parameter=change.parameter,
                asked=_shown(change.value),
                given=left.value,
                handling=left.handling,
                reason=change.reason,
            )
        )
    return tuple(done)


def bounded(asked: ParameterValue, described: Mapping[str, Any] | None) -> Bounded:
    """Return what one property of a JSON schema leaves of a value.

    Whole numbers stay whole: 7.4 becomes 7. Beyond a closed bound the bound is taken; beyond
    an open one nothing is left, because there is no nearest value.
    """
    if described is None:
        return Bounded(None, "dropped: the plugin has no such parameter")
    choices = described.get("enum", [described["const"]] if "const" in described else None)
    if choices is not None:
        same = [choice for choice in choices if _same(choice, asked)]
        return Bounded(same[0], "as asked") if same else Bounded(None, "dropped: not a choice")
    kind = described.get("type")
    if kind == "boolean":
        return _kept(asked) if isinstance(asked, bool) else Bounded(None, "dropped: not true/false")
    if kind not in ("integer", "number") or isinstance(asked, (bool, str)):
        return Bounded(None, f"dropped: a {type(asked).__name__} for {kind or 'a nested value'}")
    return _within(asked, kind, described)


def _within(asked: int | float, kind: str, described: Mapping[str, Any]) -> Bounded:
    """Cut a number to closed bounds, and refuse it beyond open ones."""
    if isinstance(asked, float) and not math.isfinite(asked):
        return Bounded(None, "dropped: not a finite number")
    low, high = described.get("minimum"), described.get("maximum")
    value = asked if low is None else max(asked, low)
    value = value if high is None else min(value, high)
    above, below = described.get("exclusiveMinimum"), described.get("exclusiveMaximum")
    if (above is not None and not value > above) or (below is not None and not value < below):
        return Bounded(None, "dropped: on or beyond a bound that is not included")
    handling = "as asked" if value == asked else "cut to the nearest bound"
    if kind == "integer":
        whole = round(value)
        return Bounded(whole, handling if whole == value else "rounded to a whole number")
    try:
        rounded = round_significant(float(value))
    except OverflowError:
        return Bounded(None, "dropped: not a finite number")
    return Bounded(rounded, handling)


def _kept(value: ParameterValue) -> Bounded:
    return Bounded(value, "as asked")


def _same(one: object, other: object) -> bool:
    """1 and 1.0 are the same value, 1 and true are not."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _shown(value: ParameterValue) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    return str(value)[:80]


def draft_of(
    home: Home, spec: CandidateSpec, changes: tuple[BoundedChange, ...], citation: Citation
) -> DraftRef:
    """Write the draft of a child of `spec` with the bounded changes; once, under a new id.

    The same changes to the same parent are the same draft: its file is left as it is.

    Raises
    ------
    BadInputError
        If nothing is left to change, or the plugin or the candidate format refuses the whole,
        e.g. a fast window that is not faster than the slow one.
    """
    values = {c.parameter: c.given for c in changes if c.given is not None}
    if not values:
        raise BadInputError(
            location="proposal", found="no change within the schema", expected="one at least"
        )
    draft_id = _draft_id(spec, values, citation)
    payload = _document(spec, values, citation, draft_id)
    location = f"draft {draft_id}"
    draft = parse_candidate_spec(payload, location=location)
    plugin = load_strategy(draft.strategy.type, draft.strategy.version)
    parameter_grid(draft, plugin.strategy.parameters_type)
    path = home.draft_path(draft_id)
    try:
        write_new(path, payload)
    except FileExistsError:
        payload = path.read_bytes()
    return DraftRef(
        candidate_id=draft_id,
        parent=spec.candidate_id,
        file_digest=sha256_hex(payload),
        cites=citation.digest,
    )


def _draft_id(spec: CandidateSpec, values: Mapping[str, ParameterValue], citation: Citation) -> str:
    named = {"parent": spec.digest, "values": dict(values), "cites": citation.digest}
    stem = spec.candidate_id[:48].rstrip("-")
    return f"{stem}-draft-{sha256_hex(canonical_json(named))[:8]}"


def _document(
    spec: CandidateSpec,
    values: Mapping[str, ParameterValue],
    citation: Citation,
    draft_id: str,
) -> bytes:
    """Return the draft's file: the parent's with other parameters, a grid that has them."""
    data = spec.model_dump(mode="json") | {
        "candidate_id": draft_id,
        "title": f"Draft: {spec.title}"[:120].rstrip(),
        "author": AUTHOR,
        "parent": spec.candidate_id,
        "parameters": {**spec.parameters, **values},
        "parameter_grid": {
            name: _with(list(known), values.get(name))
            for name, known in spec.parameter_grid.items()
        },
        "prior_run_evidence": [{"digest": citation.digest, "note": citation.note}],
    }
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=90)
    return (_HEAD + text).encode("utf-8")


def _with(known: list[ParameterValue], value: ParameterValue | None) -> list[ParameterValue]:
    """The grid compares the declared point with its neighbours, so it must hold the point."""
    if value is None or any(_same(one, value) for one in known):
        return known
    return [*known, value]
