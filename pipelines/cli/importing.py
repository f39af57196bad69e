"""``wattledger import``: files that other tools wrote, into the landing folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import Steps, say, show_table, steps
from pipelines.cli.errors import EXIT_QUARANTINED, EXIT_USAGE, CliError

if TYPE_CHECKING:
    from collectors.importers.format import Format
    from collectors.importers.staging import ImportResult

BYTES_PER_MB = 1_000_000
SHOWN_REJECTS = 5
SHOWN_FIGURES = 40


class _Formats(click.Group):
    """The group of formats: ``table``, and one command a format, made from what the format says of itself."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all formats."""
        from collectors.importers.formats import MODULES

        return ["table", *MODULES]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the command of a format; only its module is imported."""
        from collectors.importers.formats import MODULES, load

        return _command_of(load(name)) if name in MODULES else super().get_command(ctx, name)


@click.group("import", cls=_Formats, invoke_without_command=True)
@click.option("--list", "listing", is_flag=True, help="Show the formats, and the mappings that come with wattledger.")
@click.pass_context
def import_group(ctx: click.Context, *, listing: bool) -> None:
    """Bring other tools' files into the ledger."""
    if listing:
        _list()
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        msg = "say what to import: wattledger import FORMAT PATH, wattledger import table --map NAME PATH, or --list"
        raise CliError(msg, EXIT_USAGE)


def _list() -> None:
    from collectors.importers.formats import MODULES, load
    from collectors.importers.table import load_mapping, shipped_mappings

    show_table(("format", "reads"), [(name, load(name).title) for name in MODULES])
    say("Use one: wattledger import FORMAT PATH; its options: wattledger import FORMAT --help.")
    show_table(("mapping", "reads"), [(name, load_mapping(name).title) for name in shipped_mappings()])
    say("Use one: wattledger import table --map NAME PATH.")


def _command_of(form: Format) -> click.Command:
    @click.pass_context
    def command(ctx: click.Context, path: Path, config_path: Path | None, **options: str | None) -> None:
        from collectors.importers.run import import_format

        landing = configuration(config_path).landing_path
        with steps() as progress:
            result = import_format(
                form, path, landing, options, progress=lambda done, whole: _tell(progress, done, whole, path)
            )
        _show(result)
        ctx.exit(EXIT_QUARANTINED if result.rows_rejected else 0)

    params: list[click.Parameter] = [
        click.Option(
            [f"--{option.name.replace('_', '-')}", option.name],
            help=option.help,
            required=option.required,
            default=option.default,
            show_default=option.default is not None,
            type=click.Choice(option.choices) if option.choices else None,
            metavar=None if option.choices else "TEXT",
        )
        for option in form.options
    ]
    argument = click.Argument(["path"], type=click.Path(path_type=Path, exists=True))
    made = click.Command(form.name, callback=command, params=[argument, *params], help=f"Import {form.title}.")
    return config_option(made)


@import_group.command()
@click.option("--map", "mapping", required=True, metavar="FILE|NAME", help="Mapping file, or one of --list.")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@config_option
@click.pass_context
def table(ctx: click.Context, mapping: str, path: Path, config_path: Path | None) -> None:
    """Import any CSV or Parquet file, or a folder of them, through a mapping."""
    from collectors.importers.table import import_table, shipped_mappings

    named = Path(mapping)
    if mapping not in shipped_mappings() and not named.is_file():
        msg = f"no mapping file {mapping}, and no shipped mapping of that name; `wattledger import --list` shows them"
        raise CliError(msg, EXIT_USAGE)
    landing = configuration(config_path).landing_path
    with steps() as progress:
        result = import_table(
            mapping if mapping in shipped_mappings() else named,
            path,
            landing,
            progress=lambda done, whole: _tell(progress, done, whole, path),
        )
    _show(result)
    ctx.exit(EXIT_QUARANTINED if result.rows_rejected else 0)


def _tell(progress: Steps, done: int, whole: int, path: Path) -> None:
    progress("read, MB", -(-done // BYTES_PER_MB), -(-whole // BYTES_PER_MB), path.name)


def _show(result: ImportResult) -> None:
    for text in result.assumptions:
        say(f"ASSUMED: {text}")
    for text in result.findings:
        say(f"FOUND: {text}")
    if result.figures:
        shown = [(item.subject, item.method, f"{item.value:.9g}", item.unit) for item in result.figures[:SHOWN_FIGURES]]
        show_table(("of", "by", "value", "unit"), shown)
    say(f"read {result.rows_read:,} rows, filtered {result.rows_filtered:,}, landed {result.rows_landed:,}, "
        f"rejected {result.rows_rejected:,}")  # fmt: skip
    for name, count in result.landed_by_table.items():
        say(f"  {name}: {count:,} rows")
    for reason, count in result.rejected_by_reason.items():
        say(f"  rejected {reason}: {count:,} rows")
    for row in result.rejected[:SHOWN_REJECTS]:
        say(f"    {row.file} row {row.row}: {row.detail}")
    if result.rejected_file:
        say(f"  all rejected rows: {result.rejected_file}; `wattledger run` takes them into quarantine")
    known = len(result.files) - result.files_new
    say(f"{result.files_new} files landed" + (f", {known} were there already" if known else ""))
    say("Next: wattledger run")
