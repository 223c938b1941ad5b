"""Weaken the pipeline file in every place, one at a time, and see who notices.

    python tests/mutation/mutate_pipeline.py

Every condition, checkpoint, transition, contract word, activation and policy is deleted or
changed. A mutation is caught by the loader, by the proof against the asset graph, or by the
table in `contract.py`. Prints the score; exit status 0 only if all were caught.
"""

import copy
import sys
from collections import Counter
from pathlib import Path

import yaml
from contract import differences

import torghut_assets
from torghut_assets.cli.dag import graph_shape
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.stages.agreement import prove
from torghut_assets.domain.stages.conditions import CONDITIONS
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.domain.stages.loader import load_pipeline

FILE = Path(torghut_assets.__file__).parent / "config" / "pipeline.yaml"


def mutations(data):
    """Yield a label and a mutated copy of the file's data, for every mutation."""

    def mutated(change):
        changed = copy.deepcopy(data)
        change(changed)
        return changed

    for name, stage in data["stages"].items():
        where = f"stages.{name}"
        yield f"{where} deleted", mutated(lambda d, n=name: d["stages"].pop(n))
        for field in stage:
            yield (
                f"{where}.{field} deleted",
                mutated(lambda d, n=name, f=field: d["stages"][n].pop(f)),
            )
        for side, other in (("requires", "ensures"), ("ensures", "requires")):
            for condition in stage[side]:
                label = f"{where}.{side}: {condition}"

                def drop(d, n=name, s=side, c=condition):
                    d["stages"][n][s].remove(c)

                def move(d, n=name, s=side, o=other, c=condition):
                    d["stages"][n][s].remove(c)
                    if c not in d["stages"][n][o]:
                        d["stages"][n][o].append(c)

                yield f"{label} deleted", mutated(drop)
                yield f"{label} moved to {other}", mutated(move)
                for weaker in ("submission_is_kept", "refusal_feeds_back", "always_true"):
                    if weaker != condition:

                        def swap(d, n=name, s=side, c=condition, w=weaker):
                            listed = d["stages"][n][s]
                            listed[listed.index(c)] = w

                        yield f"{label} is {weaker}", mutated(swap)
        for asset, guards in stage["guards"].items():
            yield (
                f"{where}.guards.{asset} deleted",
                mutated(lambda d, n=name, a=asset: d["stages"][n]["guards"].pop(a)),
            )
            for condition in guards:
                label = f"{where}.guards.{asset}: {condition}"
                yield (
                    f"{label} deleted",
                    mutated(
                        lambda d, n=name, a=asset, c=condition: d["stages"][n]["guards"][a].remove(
                            c
                        )
                    ),
                )
                for other in (o for o in stage["outputs"].values() if o != f"asset:{asset}"):

                    def reassign(d, n=name, a=asset, c=condition, o=other):
                        d["stages"][n]["guards"][a].remove(c)
                        d["stages"][n]["guards"].setdefault(o.partition(":")[2], []).append(c)

                    yield f"{label} moved to {other}", mutated(reassign)
                for weaker in ("submission_is_kept", "always_true"):

                    def soften(d, n=name, a=asset, c=condition, w=weaker):
                        listed = d["stages"][n]["guards"][a]
                        listed[listed.index(c)] = w

                    yield f"{label} is {weaker}", mutated(soften)
        for field in ("on_pass", "on_fail", "on_superseded"):
            for target in (*STAGES, "hold", "nowhere"):
                if target != stage[field]:

                    def redirect(d, n=name, f=field, t=target):
                        d["stages"][n][f] = t

                    yield f"{where}.{field} to {target}", mutated(redirect)
        for field in ("active", "deployed"):

            def flip(d, n=name, f=field):
                d["stages"][n][f] = not d["stages"][n][f]

            yield f"{where}.{field} flipped", mutated(flip)
        for field in ("checkpoints", "prepares", "feeds_back"):
            for item in stage[field]:
                yield (
                    f"{where}.{field}: {item} deleted",
                    mutated(lambda d, n=name, f=field, i=item: d["stages"][n][f].remove(i)),
                )
        for side in ("inputs", "outputs"):
            for term in stage[side]:
                yield (
                    f"{where}.{side}.{term} deleted",
                    mutated(lambda d, n=name, s=side, t=term: d["stages"][n][s].pop(t)),
                )
        for kind in ("deterministic", "specification", "policy"):

            def retry(d, n=name, k=kind):
                d["stages"][n]["failure_policy"][k] = "retry"

            yield f"{where}.failure_policy.{kind} is retry", mutated(retry)
    yield from _mutated_checkpoints(data, mutated)
    for name in data["sources"]:
        yield f"sources.{name} deleted", mutated(lambda d, n=name: d["sources"].pop(n))
        for asset in data["sources"][name]:
            yield (
                f"sources.{name}: {asset} deleted",
                mutated(lambda d, n=name, a=asset: d["sources"][n].remove(a)),
            )
    for count in (0, 2, 4, 1_000):
        yield (
            f"freeze after {count}",
            mutated(lambda d, c=count: d["freeze"].update(after_refusals=c)),
        )
    for stage in STAGES:
        if stage != data["freeze"]["stage"]:
            yield f"freeze by {stage}", mutated(lambda d, s=stage: d["freeze"].update(stage=s))
    for field in data:
        yield f"{field} deleted", mutated(lambda d, f=field: d.pop(f))
    yield "initial is a later stage", mutated(lambda d: d.update(initial="gate_policy_evaluation"))
    for stage in STAGES[:4]:
        yield (
            f"{stage} outside the stages",
            mutated(lambda d, s=stage: (d["groups_outside"].append(s), d["stages"].pop(s))),
        )


def _mutated_checkpoints(data, mutated):
    for name, checkpoint in data["checkpoints"].items():
        where = f"checkpoints.{name}"
        yield f"{where} deleted", mutated(lambda d, n=name: d["checkpoints"].pop(n))

        def forget(d, n=name):
            d["checkpoints"].pop(n)
            for stage in d["stages"].values():
                stage["checkpoints"] = [c for c in stage["checkpoints"] if c != n]

        yield f"{where} deleted everywhere", mutated(forget)
        for field in checkpoint:
            if field != "purpose":
                yield (
                    f"{where}.{field} deleted",
                    mutated(lambda d, n=name, f=field: d["checkpoints"][n].pop(f)),
                )
        for condition in CONDITIONS:
            if condition != checkpoint["condition"]:

                def weaken(d, n=name, c=condition):
                    d["checkpoints"][n]["condition"] = c

                yield f"{where} judges {condition}", mutated(weaken)
        for at in ("candidate_spec", "strategy_build", "stress_metrics", "nothing_at_all"):

            def relocate(d, n=name, a=at):
                check = d["checkpoints"][n]["asset_check"].partition(":")[2]
                d["checkpoints"][n].update(at=a, asset_check=f"{a}:{check}")

            yield f"{where} at {at}", mutated(relocate)
        yield (
            f"{where} shows another check",
            mutated(
                lambda d, n=name: d["checkpoints"][n].update(
                    asset_check=f"{d['checkpoints'][n]['at']}:looks_nice"
                )
            ),
        )
        for field in ("sources", "assets", "stages"):
            for item in checkpoint[field]:
                yield (
                    f"{where}.{field}: {item} deleted",
                    mutated(lambda d, n=name, f=field, i=item: d["checkpoints"][n][f].remove(i)),
                )


def who_catches(data, shape):
    """Return `loader`, `proof`, `contract` or `None` for mutated data."""
    try:
        pipeline = load_pipeline(yaml.safe_dump(data, sort_keys=False).encode())
    except TorghutError:
        return "loader"
    if prove(pipeline, shape).disagreements:
        return "proof"
    return "contract" if list(differences(pipeline)) else None


def run(home):
    """Return who caught how many, and the labels of the mutations that nobody caught."""
    data = yaml.safe_load(FILE.read_bytes())
    shape = graph_shape(home)
    if who_catches(data, shape) is not None:
        sys.exit("the unchanged file is refused")
    caught, survived = Counter(), []
    for label, changed in mutations(data):
        if catcher := who_catches(changed, shape):
            caught[catcher] += 1
        else:
            survived.append(label)
    return caught, survived


def main():
    """Print the score."""
    import tempfile

    from torghut_assets.resources.home import Home

    with tempfile.TemporaryDirectory() as folder:
        caught, survived = run(Home.at(Path(folder)))
    total = caught.total() + len(survived)
    for label in survived:
        print(f"SURVIVED  {label}")
    by = ", ".join(f"{name} {count}" for name, count in caught.most_common())
    print(f"{caught.total()} of {total} mutations caught ({caught.total() / total:.1%}): {by}")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
