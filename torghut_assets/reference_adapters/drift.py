"""Cases of the drift detectors: streams that a seed describes."""

import random
from collections.abc import Sequence
from typing import Any

from torghut_assets.domain.drift import adwin as adwin_module
from torghut_assets.domain.drift import sequential


def stream_of(seed: int, n0: int, n1: int, a: Sequence[float], b: Sequence[float]) -> list[float]:
    """Draw `n0` values from `a`, then `n1` from `b`, with Python's own generator."""
    generator = random.Random(seed)  # noqa: S311  (the reference names this generator)
    return generator.choices(a, k=n0) + generator.choices(b, k=n1)


def adwin(**inputs: Any) -> sequential.Alarms:
    """Run ADWIN over a stream, or over values `x`, with settings by name."""
    values, settings = _values_and_settings(inputs)
    return adwin_module.adwin(values, adwin_module.AdwinSettings(**settings))


def page_hinkley(**inputs: Any) -> sequential.Alarms:
    """Run the Page-Hinkley test over a stream, or over values `x`, with settings by name."""
    values, settings = _values_and_settings(inputs)
    return sequential.page_hinkley(values, sequential.PageHinkleySettings(**settings))


def _values_and_settings(inputs: dict[str, Any]) -> tuple[Sequence[float], dict[str, Any]]:
    if "x" in inputs:
        return inputs["x"], {k: v for k, v in inputs.items() if k != "x"}
    drawn = {name: inputs[name] for name in ("seed", "n0", "n1", "a", "b")}
    return stream_of(**drawn), {k: v for k, v in inputs.items() if k not in drawn}
