"""``wattledger init``: a first configuration to edit."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.console import say
from pipelines.cli.errors import EXIT_USAGE, CliError

TEMPLATE = """\
# wattledger.toml: what this installation states about itself. Paths count from the folder of this file.
# What is not stated is not known: nothing about a place is assumed. `wattledger doctor` checks this file.

[organisation]
name = {name}

[landing]
path = "landing"                   # where collectors put their files

[lake]
catalog = "sqlite:lake.sqlite"     # or postgres:<connection string>
data = "lake"                      # or s3://bucket/prefix
all_snapshots_days = 1             # how long every earlier state stays readable, then
daily_snapshots_days = 31          # how long one a day does; one a month always does

[accounting]
slot_minutes = 5                   # length of a slot
max_gap_s = 10                     # longest gap between two power readings that may be bridged
idle = "visible"                   # idle energy is a row of its own

# A place with hosts. Take the comment marks away and state yours; without a zone no emissions are known.
# [[facility]]
# id = "dc1"
# zone = "DE"                      # grid zone (Electricity Maps names)
# pue = 1.25                       # power usage effectiveness: total energy / IT energy
# ownership = "owned"              # owned | leased | colocation | cloud
# hosts = ["gpu-*"]                # patterns of host names
"""


@click.command()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), help="Folder; by default WATTLEDGER_HOME.")
@click.option("--name", default="My organisation", show_default=True, help="Name of the organisation.")
def init(home: Path | None, name: str) -> None:
    """Write a commented wattledger.toml to edit; an existing one is never overwritten."""
    import json

    from warehouse.config import CONFIG_NAME, home_path, load_config

    folder = (home or home_path()).expanduser().resolve()
    file = folder / CONFIG_NAME
    if not 1 <= len(name) <= 200:
        msg = f"the name has {len(name)} characters; give --name with 1 to 200"
        raise CliError(msg, EXIT_USAGE)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        with file.open("x", encoding="utf-8") as target:
            # A JSON string is a TOML string, but for DEL.
            target.write(TEMPLATE.format(name=json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")))
    except FileExistsError:
        msg = f"{file} exists and is left as it is; edit it, or name another folder with --home"
        raise CliError(msg, EXIT_USAGE) from None
    config = load_config(file)
    say(f"wrote {file}")
    say("Next: state your facilities in it, then")
    say(f"  wattledger-collect exec --landing {config.landing_path} -- python train.py    measures a job")
    say(f"  wattledger run{'' if home is None else f' --config {file}'}    takes it in and computes")
