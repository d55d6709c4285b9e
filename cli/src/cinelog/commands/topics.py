"""`cinelog topics`: create or check the topics of a deployment."""

import asyncio

import click
from cinelog_common.kafka.admin import TopicsReport


@click.group()
def command() -> None:
    """The topics of a deployment; Kafka's address and sizes come from `CINELOG_*` variables."""


@command.command()
def apply() -> int:
    """Create what is missing; report what differs, and change none of it."""
    report = _report(apply=True)
    for name in report.created:
        click.echo(f"created   {name}")
    for name in report.extended:
        click.echo(f"extended  {name}")
    return _tell_drift(report)


@command.command()
def check() -> int:
    """Report what is missing or differs; exit 1 if anything does."""
    report = _report(apply=False)
    for name in report.created:
        click.echo(f"missing   {name}")
    for name in report.extended:
        click.echo(f"too few partitions  {name}")
    return _tell_drift(report) or (0 if report.as_wanted else 1)


def _report(*, apply: bool) -> TopicsReport:
    from cinelog_common.logging import configure_logging
    from cinelog_common.settings import load

    from cinelog.deployment import ensure_topics
    from cinelog.settings import DeploymentSettings

    # The client logs each try; what became of them is told once, at the end.
    configure_logging(level="CRITICAL", service="topics")
    return asyncio.run(ensure_topics(load(DeploymentSettings), apply=apply))


def _tell_drift(report: TopicsReport) -> int:
    for drift in report.drifted:
        click.echo(f"differs   {drift.topic}: {drift.setting} is {drift.found}, should be {drift.wanted}")
    if report.as_wanted:
        click.echo("All topics are as they should be.")
    return 1 if report.drifted else 0
