"""Power curve of the overfitting limits: how often noise is refused and an edge accepted.

Run `python benchmarks/power_curve.py` (about five minutes on two cores) and copy the tables to
docs/numerics-overfitting.md. Every family has its own seed, which follows from `--seed`, the row
and the number of the family; the limits are those of the shipped gate policy.
"""

import argparse
import math
import time
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from torghut_assets.domain.backtest.calibration import KnownFamily, readings, walked_forward
from torghut_assets.domain.backtest.settings import parse_evaluation_settings
from torghut_assets.domain.gates.policy import parse_gate_policy

OUT_OF_SAMPLE = 2_520
EDGES = (0.0, 0.04, 0.06, 0.08, 0.10, 0.12)
FAMILIES = {
    "a question with an answer": {"n_variants": 20, "weakest": 0.6, "correlation": 0.95},
    "a plateau": {"n_variants": 20, "weakest": 1.0, "correlation": 0.95},
    "a needle among duds": {"n_variants": 20, "weakest": 0.0, "correlation": 0.5},
    "a large search": {"n_variants": 1_000, "weakest": 0.6, "correlation": 0.95},
}


class Limits(NamedTuple):
    """What the shipped policy asks."""

    dsr: float
    pbo: float
    spa_p: float


def shipped():
    config = files("torghut_assets") / "config"
    settings = parse_evaluation_settings((config / "evaluation.yaml").read_bytes())
    policy = parse_gate_policy((config / "gate_policy.yaml").read_bytes())
    by_measurement = {limit.measurement: limit.limit for limit in policy.limits}
    limits = Limits(
        by_measurement["deflated_sharpe_probability"],
        by_measurement["backtest_overfitting_probability"],
        by_measurement["superior_predictive_ability_p"],
    )
    return settings, limits


def kept(found, limits):
    """Whether DSR, PBO, SPA and all of them are kept."""
    each = (found.dsr >= limits.dsr, found.pbo <= limits.pbo, found.spa_p <= limits.spa_p)
    return (*each, all(each))


def shares(family, seeds, settings, limits):
    rows = [
        kept(
            readings(
                walked_forward(family.returns(np.random.default_rng(seed)), settings), settings
            ),
            limits,
        )
        for seed in seeds
    ]
    return np.mean(rows, axis=0)


def interval(share, number):
    """Wilson's 95 % interval of a share."""
    z = 1.959964
    centre = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number**2))
    half /= 1 + z * z / number
    return max(0.0, centre - half), min(1.0, centre + half)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=100, help="per row")
    parser.add_argument("--only", choices=FAMILIES, action="append", help="kinds to run")
    parser.add_argument("--seed", type=int, default=20240917)
    chosen = parser.parse_args()
    settings, limits = shipped()
    bars = settings.train_bars + settings.purge_bars + OUT_OF_SAMPLE
    print(f"limits {limits}; {OUT_OF_SAMPLE} bars out of sample; seed {chosen.seed}")
    for name in chosen.only or FAMILIES:
        kind = FAMILIES[name]
        print(f"\n{name}: {kind}, {chosen.families} families per row\n")
        print("| Sharpe per bar | a year | DSR | PBO | SPA | all three | 95 % interval |")
        print("| --: | --: | --: | --: | --: | --: | :-- |")
        started = time.perf_counter()
        for row, edge in enumerate(EDGES):
            seeds = [[chosen.seed, row, number] for number in range(chosen.families)]
            found = shares(KnownFamily(bars, edge=edge, **kind), seeds, settings, limits)
            low, high = interval(found[3], chosen.families)
            cells = " | ".join(f"{share:.0%}" for share in found)
            annual = edge * math.sqrt(settings.periods_per_year)
            print(f"| {edge:.2f} | {annual:.2f} | {cells} | {low:.0%} to {high:.0%} |", flush=True)
        print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
