"""A plugin in another process, in the shape of a `Strategy`.

The rest of the project cannot tell it from one in its own process, except that it cannot do
harm: same weights to the bit, same findings, same errors. All that comes back is read here, once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.examinee import (
    AnswerForm,
    PluginStoppedError,
    ReportedError,
)
from torghut_assets.domain.candidates.grid_program import GridPiece
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Floats, StrategyParameters
from torghut_assets.resources.isolation.process import WorkerProcess
from torghut_assets.resources.isolation.remote_parameters import RemoteParameters, remote_parameters
from torghut_assets.resources.isolation.shared_bars import (
    PanelTooLargeError,
    answer_room,
    bring_back,
    place,
)

_NAME: Final = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_MOST_SHOWN: Final = 80
_MAX_FIELDS: Final = 100


class Shown:
    """Stands for an object of the plugin that is not what it should be; prints like it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class Plugin:
    """A worker that has one plugin loaded, and the panel that lies in the shared memory."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self._panel: tuple[BarPanel, dict[str, Any]] | None = None

    def answer(self, call: str, **arguments: Any) -> Any:
        """Return what the plugin answers, parsed JSON that is not to be trusted.

        Raises
        ------
        ReportedError
            If the plugin raised an error.
        PluginStoppedError
            If the worker was ended.
        """
        message = self.worker.ask(call, **arguments)
        if isinstance(message, dict) and "answer" in message:
            return message["answer"]
        raised = message.get("raised") if isinstance(message, dict) else None
        if not (isinstance(raised, list) and len(raised) == 2):
            raise self.liar("an answer that is none")
        name, words = (" ".join(str(part).split()) for part in raised)
        raise ReportedError(name[:_MOST_SHOWN], words[:160])

    def liar(self, problem: str) -> PluginStoppedError:
        """End the worker: it answered what the code around the plugin never would."""
        return self.worker.give_up(problem)

    def placed(self, bars: BarPanel) -> dict[str, Any]:
        """Lay the bars into the shared memory; the same read-only panel is laid there once."""
        if self._panel is None or self._panel[0] is not bars or self._panel[1]["writable"]:
            self._panel = None
            try:
                plan = place(bars, self.worker.memory)
            except PanelTooLargeError as error:
                raise self.liar(f"{error}, more than is shared with a worker") from error
            self._panel = (bars, plan)
        return self._panel[1]


class RemoteStrategy:
    """The plugin, by the contract of `Strategy`; `load` makes one."""

    def __init__(self, plugin: Plugin, name: str, stated: Mapping[str, Any]) -> None:
        self._plugin = plugin
        self.name = name
        self.version: str = stated["version"]
        self.required_features = tuple(stated["required_features"])
        self.max_gross: Any = _number_or_shown(stated["max_gross"])
        self.parameters_type: type[StrategyParameters] = remote_parameters(
            plugin, stated["model"], tuple(stated["fields"])
        )

    @property
    def worker(self) -> WorkerProcess:
        """The process behind it."""
        return self._plugin.worker

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars needed before the first weight that may differ from zero."""
        stated = self._plugin.answer("warm_up_bars", values=parameters.model_dump())
        found: Any = stated if type(stated) is int else _number_or_shown(stated)
        return found  # type: ignore[no-any-return]

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights per bar and symbol; anything else that was returned is described instead."""
        plugin = self._plugin
        with plugin.worker.turn():
            plan = plugin.placed(bars)
            answer = plugin.answer("target_weights", values=parameters.model_dump(), plan=plan)
            if plan["writable"]:
                bring_back(plan, plugin.worker.memory, bars)
            if answer is not None:
                described: Any = self._described(answer)
                return described  # type: ignore[no-any-return]
            room = answer_room(plan["answer"], bars.n_bars * bars.n_symbols, plugin.worker.memory)
            return room.reshape(bars.n_bars, bars.n_symbols).copy()

    def grid_program(
        self, bars: BarPanel, points: Sequence[StrategyParameters]
    ) -> "RemoteProgram | None":
        """Return the plugin's program for a grid, or None if it offers none."""
        plugin = self._plugin
        with plugin.worker.turn():
            plan = plugin.placed(bars)
            values = [point.model_dump() for point in points]
            lanes = plugin.answer("grid_program", points=values, plan=plan)
            if lanes is None:
                return None
            if not (isinstance(lanes, list) and all(type(lane) is int for lane in lanes)):
                raise plugin.liar("lane_points that are no whole numbers")
            if any(not -1 <= lane < len(points) for lane in lanes):
                raise plugin.liar("lane_points beyond the grid")
            return RemoteProgram(plugin, plan["answer"], np.array(lanes, dtype=np.int64))

    def _described(self, answer: Any) -> Any:
        form = answer.get("form") if isinstance(answer, dict) else None
        if not (isinstance(form, list) and len(form) == 3):
            raise self._plugin.liar("neither weights nor what was returned instead")
        return AnswerForm(*(str(part)[:_MOST_SHOWN] for part in form))


class RemoteProgram:
    """A grid program in the worker; each piece comes back through the shared memory."""

    def __init__(self, plugin: Plugin, offset: int, lane_points: npt.NDArray[np.int64]) -> None:
        self._plugin = plugin
        self._offset = offset
        self.lane_points = lane_points

    def decide(self, piece: GridPiece, out: Floats) -> None:
        """Fill `out` with the weights of a piece; see `GridProgram`."""
        plugin = self._plugin
        with plugin.worker.turn():
            try:
                room = answer_room(self._offset, out.size, plugin.worker.memory)
            except PanelTooLargeError as error:
                raise plugin.liar(f"{error}, more than is shared with a worker") from error
            room[...] = out
            plugin.answer("decide", piece=list(piece), offset=self._offset, size=out.size)
            out[...] = room


def load(
    worker: WorkerProcess, module: str, attribute: str, strategy_type: str, code: Mapping[str, Any]
) -> "RemoteStrategy | str":
    """Load a plugin in a worker; return it, or why it is no strategy.

    Parameters
    ----------
    worker : WorkerProcess
        A fresh one.
    module, attribute : str
        Where the plugin is.
    strategy_type : str
        The name that it must have.
    code : mapping
        `own`, `sources` and `packages` of `plugin_sources.PluginCode`.

    Raises
    ------
    ReportedError, PluginStoppedError
        If it cannot be imported, or the worker was ended.
    """
    plugin = Plugin(worker)
    stated = plugin.answer(
        "load", module=module, attribute=attribute, strategy_type=strategy_type, code=dict(code)
    )
    if isinstance(stated, dict) and isinstance(stated.get("problem"), str):
        return " ".join(stated["problem"].split())[:160]
    if not _is_description(stated):
        raise plugin.liar("a description that is none")
    for field in stated["fields"]:
        if field.startswith("_") or hasattr(RemoteParameters, field):
            return f"a parameter named {field}, which pydantic's models have for themselves"
    return RemoteStrategy(plugin, strategy_type, stated)


def _is_description(stated: Any) -> bool:
    if not isinstance(stated, dict):
        return False
    features, fields = stated.get("required_features"), stated.get("fields")
    version, model = stated.get("version"), stated.get("model")
    return (
        isinstance(version, str)
        and len(version) <= _MOST_SHOWN
        and isinstance(model, str)
        and _NAME.fullmatch(model) is not None
        and isinstance(features, list)
        and all(name in FEATURES for name in features)
        and isinstance(fields, list)
        and len(fields) <= _MAX_FIELDS
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in fields)
        and len(set(fields)) == len(fields)
        and "max_gross" in stated
    )


def _number_or_shown(stated: Any) -> Any:
    if type(stated) in (int, float):
        return stated
    text = stated.get("shown") if isinstance(stated, dict) else None
    return Shown(str(text)[:_MOST_SHOWN])
