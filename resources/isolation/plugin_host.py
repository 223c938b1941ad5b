"""The plugin inside its worker: every call that the project may make of it."""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from torghut_assets.domain.candidates.examinee import form_of
from torghut_assets.domain.candidates.grid_program import GridPiece, GridProgram, offered_program
from torghut_assets.domain.candidates.strategy import (
    FEATURES,
    BarPanel,
    Feature,
    Strategy,
    StrategyParameters,
)
from torghut_assets.resources.isolation.served_modules import ServedModules
from torghut_assets.resources.isolation.shared_bars import answer_room, placed

_MOST_SHOWN = 80


def contract_problem(found: Any, strategy_type: str) -> str | None:
    """Say what keeps an object from being a strategy of this type, or return `None`."""
    for attribute in ("name", "version"):
        if not isinstance(getattr(found, attribute, None), str):
            return f"no text in {attribute}"
    if found.name != strategy_type:
        return f"the name {ascii(found.name)[:_MOST_SHOWN]}"
    model = getattr(found, "parameters_type", None)
    if not (isinstance(model, type) and issubclass(model, StrategyParameters)):
        return "no subclass of StrategyParameters in parameters_type"
    features = getattr(found, "required_features", None)
    if not isinstance(features, tuple) or not set(features) <= set(get_args(Feature)):
        return f"{ascii(features)[:_MOST_SHOWN]} in required_features"
    for method in ("warm_up_bars", "target_weights"):
        if not callable(getattr(found, method, None)):
            return f"no method {method}"
    return None if hasattr(found, "max_gross") else "no max_gross"


class PluginHost:
    """Holds one plugin and calls it; the arguments come from the project, as JSON."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._strategy: Strategy
        self._models: dict[str, StrategyParameters] = {}
        self._panel: tuple[Mapping[str, Any], BarPanel] | None = None
        self._program: GridProgram | None = None

    def calls(self) -> dict[str, Callable[..., Any]]:
        """Return what may be asked, by name."""
        return {
            "load": self.load,
            "schema": self.schema,
            "validate": self.validate,
            "warm_up_bars": self.warm_up_bars,
            "target_weights": self.target_weights,
            "grid_program": self.grid_program,
            "decide": self.decide,
        }

    def load(
        self, module: str, attribute: str, strategy_type: str, code: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import the plugin from its sources; return what it says of itself."""
        ServedModules(code["own"], code["sources"], set(code["packages"])).serve()
        found: Any = getattr(importlib.import_module(module), attribute)
        if problem := contract_problem(found, strategy_type):
            return {"problem": problem}
        self._strategy = found
        limit: Any = found.max_gross
        return {
            "version": found.version,
            "required_features": list(found.required_features),
            "max_gross": limit if type(limit) in (int, float) else _shown(limit),
            "model": found.parameters_type.__name__,
            "fields": list(found.parameters_type.model_fields),
        }

    def schema(self) -> Any:
        """JSON schema of the parameters."""
        return self._strategy.parameters_type.model_json_schema()

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parse parameters; return their values, or the problems found."""
        try:
            model = self._strategy.parameters_type.model_validate(dict(values))
        except ValidationError as error:
            problems = [
                {"type": p["type"], "msg": p["msg"], "loc": list(p["loc"])} for p in error.errors()
            ]
            return {"problems": problems}
        parsed = model.model_dump()
        self._models.setdefault(_key(parsed), model)
        return {"values": parsed}

    def warm_up_bars(self, values: Mapping[str, Any]) -> Any:
        """Bars before the first weight, if they are a whole number."""
        stated: Any = self._strategy.warm_up_bars(self._model(values))
        return stated if type(stated) is int else _shown(stated)

    def target_weights(
        self, values: Mapping[str, Any], plan: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Put the weights into the shared memory, or say what was returned instead."""
        bars = self._bars(plan)
        returned: Any = self._strategy.target_weights(bars, self._model(values))
        expected = (bars.n_bars, bars.n_symbols)
        form = form_of(returned)
        if form[1:] != ("float64", str(expected)):
            return {"form": [part[:_MOST_SHOWN] for part in form]}
        room = answer_room(plan["answer"], returned.size, self._memory)
        room.reshape(expected)[...] = returned
        return None

    def grid_program(self, points: Sequence[Mapping[str, Any]], plan: Mapping[str, Any]) -> Any:
        """Ask for a program on a copy of the bars; return its `lane_points`."""
        bars = self._bars(plan)
        copies: dict[str, Any] = {
            name: getattr(bars, name).copy(order="K") for name in ("times", *FEATURES)
        }
        kept = BarPanel(symbols=bars.symbols, **copies).read_only()
        models = tuple(self._model(values) for values in points)
        self._program = offered_program(self._strategy, kept, models)
        return None if self._program is None else np.asarray(self._program.lane_points).tolist()

    def decide(self, piece: Sequence[int], offset: int, size: int) -> None:
        """Let the program fill a piece in the shared memory."""
        if self._program is None:
            raise RuntimeError("no grid program")
        self._program.decide(GridPiece(*piece), answer_room(offset, size, self._memory))

    def _model(self, values: Mapping[str, Any]) -> StrategyParameters:
        """Return the model that was parsed to these values before; parsed twice, it may differ."""
        return self._models[_key(values)]

    def _bars(self, plan: Mapping[str, Any]) -> BarPanel:
        if self._panel is None or self._panel[0] != plan or plan["writable"]:
            self._panel = (dict(plan), placed(plan, self._memory))
        return self._panel[1]


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _shown(found: object) -> dict[str, str]:
    return {"shown": ascii(found)[:_MOST_SHOWN]}
