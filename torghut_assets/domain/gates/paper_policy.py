"""The policy of gate 3: what paper trading must show before any capital, and over which window.

`parse_paper_gate_policy` reads `paper_gate_policy.yaml`. A policy that leaves a measurement
without a limit, bounds it the wrong way or lets a breach pass is refused when it is read.
"""

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.records import SourcedRecord
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.policy import Bound, GatePolicyRefusedError
from torghut_assets.domain.records import Measured, Part, parse_record

PaperUnit = Literal["count", "fraction", "ratio", "bps", "fraction_annual"]
PaperReasonClass = Literal["evidence", "window", "cost", "execution", "policy", "performance"]
OnBreach = Literal["fail", "inconclusive"]


class Quantity(Part):
    """What a measurement is: unit, better direction, possible values, what a breach means.

    `on_breach` is `inconclusive` for the size of the window only: too little is not bad.
    """

    unit: PaperUnit
    better: Literal["higher", "lower"]
    lowest: float
    highest: float
    on_breach: OnBreach
    meaning: str


_HUGE: Final = 1e12


def _counted(better: Literal["higher", "lower"], on_breach: OnBreach, meaning: str) -> Quantity:
    return Quantity(
        unit="count", better=better, lowest=0.0, highest=_HUGE, on_breach=on_breach, meaning=meaning
    )


def _share(meaning: str) -> Quantity:
    return Quantity(
        unit="fraction", better="lower", lowest=0.0, highest=1.0, on_breach="fail", meaning=meaning
    )


def _bps(meaning: str) -> Quantity:
    return Quantity(
        unit="bps", better="lower", lowest=-1e4, highest=1e6, on_breach="fail", meaning=meaning
    )


def _advantage(meaning: str) -> Quantity:
    return Quantity(
        unit="fraction_annual",
        better="higher",
        lowest=-_HUGE,
        highest=_HUGE,
        on_breach="fail",
        meaning=meaning,
    )


QUANTITIES: Final[dict[str, Quantity]] = {
    "missing_sessions": _counted(
        "lower", "fail", "Sessions since deployment without a sound cost analysis."
    ),
    "unexplained_differences": _counted(
        "lower",
        "fail",
        "Differences with the broker and orders whose outcome is unknown, over the window.",
    ),
    "untied_orders": _counted(
        "lower", "fail", "Orders whose shortfall is not defined or whose parts do not add up."
    ),
    "sessions": _counted("higher", "inconclusive", "Sessions in the window."),
    "filled_orders": _counted("higher", "inconclusive", "Orders with a fill in the window."),
    "high_volatility_sessions": _counted(
        "higher", "inconclusive", "Sessions that began in the turbulent tercile of volatility."
    ),
    "normal_volatility_sessions": _counted(
        "higher", "inconclusive", "Sessions that began in the calm or normal tercile."
    ),
    "slippage_excess": _bps(
        "Slippage against the interval's VWAP plus fees, less the cost model's expectation."
    ),
    "shortfall_bias": _bps(
        "Trading shortfall from arrival plus fees, less the cost model's expectation."
    ),
    "churn": Quantity(
        unit="ratio",
        better="lower",
        lowest=0.0,
        highest=_HUGE,
        on_breach="fail",
        meaning="Cancels and replaces per submitted order.",
    ),
    "reject_rate": _share("Rejected orders as a share of those submitted."),
    "unfilled_share": _share("Unfilled notional as a share of what was ordered."),
    "policy_changes": _counted(
        "lower", "fail", "Times that a policy in force changed from one session to the next."
    ),
    "advantage": _advantage(
        "Certainty equivalent of net returns, less that of the champion, or of cash without one."
    ),
    "worst_regime_advantage": _advantage(
        "The same advantage in the volatility regime in which it is smallest."
    ),
}
"""Every measurement of gate 3. A policy limits each of them at least once."""


class Resampling(Part):
    """How intervals are resampled; fixed before any value is seen."""

    mean_block_sessions: float = Field(ge=1, le=63)
    resamples: int = Field(ge=200, le=100_000)
    confidence_fraction: float = Field(ge=0.5, le=0.999)
    seed: int = Field(ge=0)


class PaperLimit(Part):
    """One bound on one measurement, inclusive."""

    measurement: str
    bound: Bound
    limit: Measured
    unit: PaperUnit
    on_breach: OnBreach
    reason_code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,62}$")
    reason_class: PaperReasonClass
    source: str = Field(min_length=10, max_length=600)

    @model_validator(mode="after")
    def _agrees_with_the_measurement(self) -> Self:
        known = QUANTITIES.get(self.measurement)
        if known is None:
            raise ValueError(
                f"unknown measurement {self.measurement[:80]!a}, known are " + ", ".join(QUANTITIES)
            )
        bound = "at_least" if known.better == "higher" else "at_most"
        for name, found, expected in (
            ("bound", self.bound, bound),
            ("unit", self.unit, known.unit),
            ("on_breach", self.on_breach, known.on_breach),
        ):
            if found != expected:
                raise ValueError(f"{self.measurement}: {name} {found}, expected {expected}")
        if not known.lowest <= self.limit <= known.highest:
            raise ValueError(
                f"{self.measurement}: {self.limit:g} lies outside [{known.lowest:g}, "
                f"{known.highest:g}]"
            )
        return self


class PaperGatePolicy(SourcedRecord):
    """Window, resampling and limits of gate 3; the parsed `paper_gate_policy.yaml`."""

    record_kind: ClassVar[str] = "paper-gate-policy"

    policy_version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    max_window_sessions: int = Field(ge=5, le=2_520)
    min_interval_sessions: int = Field(ge=2, le=252)
    min_regime_sessions: int = Field(ge=2, le=252)
    risk_aversion: float = Field(gt=0, le=20)
    periods_per_year: int = Field(ge=1, le=366)
    resampling: Resampling
    limits: tuple[PaperLimit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _limits_everything(self) -> Self:
        limited = [limit.measurement for limit in self.limits]
        if absent := [name for name in QUANTITIES if name not in limited]:
            raise ValueError(f"no limit on {', '.join(absent)}")
        codes = [limit.reason_code for limit in self.limits]
        if doubled := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"two limits have the reason_code {', '.join(doubled)}")
        return self


def parse_paper_gate_policy(
    payload: bytes, *, location: str = "paper_gate_policy.yaml"
) -> PaperGatePolicy:
    """Read the policy of gate 3.

    Raises
    ------
    DocumentRefusedError
        If the YAML breaks a rule of `documents`.
    GatePolicyRefusedError
        If a measurement has no limit, or a limit contradicts its measurement.
    """
    data = parse_yaml(payload, location=location)
    try:
        return parse_record(PaperGatePolicy, data, location=location)
    except BadInputError as error:
        raise GatePolicyRefusedError(
            location=error.location,
            found=error.found,
            expected="a paper gate policy that limits every measurement",
            action="docs/tca.md lists measurements, units and directions.",
        ) from error
