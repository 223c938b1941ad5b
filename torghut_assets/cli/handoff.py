"""Commands about handing work on: validate a manifest, make its checks, verify what they left."""

import json
import sys
from pathlib import Path

import click

from torghut_assets.domain.handoff.parse import ManifestRefusedError
from torghut_assets.resources.handoff_files import (
    Repository,
    verify_artifact_set,
    write_artifact_set,
)

_REPOSITORY = click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Root of the checkout; found above FILE if it is left out.",
)
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def handoff() -> None:
    """Check implementation specifications, and leave what proves them."""


@handoff.command()
@_FILE
@_REPOSITORY
@click.option("--json", "as_json", is_flag=True, help="One object, with every problem.")
def validate(file: Path, repository: Path | None, as_json: bool) -> None:
    """Say whether FILE is an implementation specification of this repository.

    Names every key that is missing or unknown, every value of the wrong type, an unknown
    specification or version, and every path that is not there or leaves the repository.

    \b
    Example:
      torghut handoff validate docs/handoff/torghut-v3-loop-dag-impl-v1.yaml

    Exit status: 0 it is, 2 no such file, 4 it is not.
    """
    try:
        spec = _repository(file, repository).read_spec(file)
    except ManifestRefusedError as error:
        if as_json:
            problems = [problem._asdict() for problem in error.problems]
            click.echo(json.dumps({"valid": False, "problems": problems}, indent=2))
        else:
            for problem in error.problems:
                click.echo(f"WRONG     {problem}")
        raise
    if as_json:
        document = {"valid": True, "spec": spec.name, "digest": spec.digest, "problems": []}
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{spec.name}: valid, digest {spec.digest}")
    click.echo(f"owners    {', '.join(spec.metadata.owners)}")
    for area in spec.metadata.owned_areas:
        click.echo(f"owns      {area}")


@handoff.command()
@_FILE
@_REPOSITORY
@click.option("--json", "as_json", is_flag=True, help="One object, with every refusal.")
def run(file: Path, repository: Path | None, as_json: bool) -> None:
    """Make the checks of the specification in FILE, and keep what they saw.

    For the specification of the whole: the code that runs is the repository's; pipeline and
    asset graph agree; every lane's manifest is there and says what the pipeline says; the paths
    promote-to-gate, paper, gate-fail and rollback are rehearsed; every active stage is
    validated on what they left. For a lane: code, pipeline and its own contract.

    The artifacts go to a new folder below the contract's artifactPath, named by the digest
    of its digests.json. Nothing that is there is changed. A run that is refused leaves its
    artifacts, too.

    \b
    Example:
      torghut handoff run docs/handoff/torghut-v3-loop-dag-impl-v1.yaml

    Exit status: 0 every check holds, 1 a check refuses, 2 no such file, 3 artifacts altered,
    4 bad manifest.
    """
    from torghut_assets.cli.handoff_checks import HandoffChecks

    root = _repository(file, repository)
    report, files = HandoffChecks(root, file, lambda line: click.echo(line, err=True)).run()
    values = root.read_spec(file).values
    written = write_artifact_set(
        root.root / values.artifact_path, report.spec_name, report.digest, files
    )
    artifacts = written.relative_to(root.root).as_posix()
    if as_json:
        document = {
            "spec": report.spec_name,
            "verdict": "fail" if report.refused else "pass",
            "checks": [check.model_dump(mode="json") for check in report.checks],
            "report_digest": report.digest,
            "artifacts": artifacts,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        for check in report.checks:
            click.echo(f"{'holds' if check.holds else 'REFUSES':<9} {check.check}: {check.found}")
            for refusal in check.refusals:
                click.echo(f"{'':<9} {refusal}")
        click.echo(f"artifacts {artifacts}")
        verdict = f"refused by {', '.join(report.refused)}" if report.refused else "pass"
        click.echo(f"{report.spec_name}: {verdict}")
    sys.exit(1 if report.refused else 0)


@handoff.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify(folder: Path) -> None:
    """Read every byte of the artifact set in FOLDER again.

    \b
    Example:
      torghut handoff verify .torghut/handoff/torghut-v3-loop-dag-impl-v1/DIGEST

    Exit status: 0 whole, 2 no such folder, 3 a file is missing, changed or one too many.
    """
    artifacts = verify_artifact_set(folder)
    click.echo(f"{artifacts.spec_name}: {len(artifacts.files)} files, as their digests say")


def _repository(file: Path, root: Path | None) -> Repository:
    return Repository(root.resolve()) if root else Repository.around(file)
