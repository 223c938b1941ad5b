"""The pipeline as a Mermaid picture, drawn from the file."""

from torghut_assets.domain.stages.config import PipelineConfig


def mermaid(pipeline: PipelineConfig) -> str:
    """Return the stage machine as a Mermaid flowchart.

    Stages that are not active are dashed, checkpoints stand on the edge into their stage.
    """
    lines = ["flowchart TD"]
    for stage in pipeline.stages:
        state = "" if stage.active else "<br/>not active"
        lines.append(f'    {stage.name}["{stage.name}{state}"]')
    for stage in pipeline.stages:
        target = pipeline.stage(stage.on_pass)
        passed = [name for name in target.checkpoints if target.name != stage.name]
        label = "pass" + "".join(f"<br/>{name}" for name in passed)
        lines.append(f'    {stage.name} -->|"{label}"| {stage.on_pass}')
    for stage in pipeline.stages:
        lines.append(f'    {stage.name} -.->|"fail"| {stage.on_fail}')
    inactive = [stage.name for stage in pipeline.stages if not stage.active]
    if inactive:
        lines.append("    classDef inactive stroke-dasharray: 5 5,color:#777")
        lines.append(f"    class {','.join(inactive)} inactive")
    return "\n".join(lines) + "\n"
