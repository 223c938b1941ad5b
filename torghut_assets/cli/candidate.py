"""Commands about candidates: submit, list, show."""

from pathlib import Path

import click

from torghut_assets.cli.screen import say
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.resources.home import Home


@click.group()
def candidate() -> None:
    """Submit, list and show strategy candidates."""


def submit(home: Home, payload: bytes, location: str) -> tuple[str, bool]:
    """Check a candidate file, keep it and register its partition; return id and whether new."""
    from torghut_assets.assets.partitions import CANDIDATES
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.domain.candidates.grid import parameter_points
    from torghut_assets.domain.candidates.parse import parse_candidate_spec
    from torghut_assets.resources.candidate_files import keep_candidate
    from torghut_assets.resources.strategy_plugins import load_strategy

    spec = parse_candidate_spec(payload, location=location)
    plugin = load_strategy(spec.strategy.type, spec.strategy.version)
    parameter_points(spec, plugin.strategy.parameters_type)
    with instance_of(home) as instance:
        new = keep_candidate(home, spec.candidate_id, payload)
        instance.add_dynamic_partitions(str(CANDIDATES.name), [spec.candidate_id])
    return spec.candidate_id, new


@candidate.command()
@click.argument("file", type=click.Path(path_type=Path))
def add(file: Path) -> None:
    """Submit the candidate that a YAML FILE describes.

    The file is kept as it is. An id never changes its content: a changed candidate gets a
    new id and names the old one as its parent.

    \b
    Example:
      torghut candidate add candidates/tsmom-megacaps-v1.yaml

    Exit status: 0 submitted (or known already), 4 bad file.
    """
    from torghut_assets.resources.candidate_files import read_submission

    home = Home.from_environment()
    candidate_id, new = submit(home, read_submission(file), str(file))
    click.echo(f"{candidate_id}: {'submitted' if new else 'known already, unchanged'}")


@candidate.command("list")
def list_candidates() -> None:
    """List submitted candidates with strategy, grid size and title.

    Exit status: 0 done.
    """
    from torghut_assets.domain.candidates.parse import parse_candidate_spec

    folder = Home.from_environment().candidates_folder
    for path in sorted(folder.glob("*.yaml")):
        spec = parse_candidate_spec(path.read_bytes(), location=path.name)
        say(
            f"{spec.candidate_id}  {spec.strategy.type} {spec.strategy.version}  "
            f"{spec.grid_points} points  {spec.title}"
        )


@candidate.command()
@click.argument("candidate_id")
def show(candidate_id: str) -> None:
    """Print the file that was submitted as CANDIDATE_ID.

    Exit status: 0 done, 3 never submitted, 4 not a candidate id.
    """
    from torghut_assets.resources.candidate_files import read_candidate

    payload = read_candidate(Home.from_environment(), parse_candidate_id(candidate_id))
    try:
        click.echo(payload.decode("utf-8"), nl=False)
    except UnicodeDecodeError as error:
        raise BadInputError(
            location=candidate_id, found="bytes that are not UTF-8", expected="YAML"
        ) from error
