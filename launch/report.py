"""Write the report of a run or a study, while it is running or after: python -m launch.report DIR.

Of a run: DIR/report.html (or --output=PATH), and a summary is printed; --picture=PATH also writes
the learning curve over the accuracies of all models as a PNG. Of a study: DIR/report.html,
report.md, figures/ and study.json, of all parts that are there.
"""

import argparse
import io
import pathlib
import sys
from collections.abc import Sequence

from nasjax.errors import UserError
from nasjax.run_report import plots, report
from nasjax.studies import report as studies


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "workdir", type=pathlib.Path, metavar="WORKDIR", help="of a search or a study"
    )
    parser.add_argument("--output", type=pathlib.Path, metavar="PATH", help="the page to write")
    parser.add_argument("--picture", type=pathlib.Path, metavar="PATH", help="a PNG to write too")
    arguments = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without block characters
    try:
        if studies.is_one(arguments.workdir):
            print("\n".join(f"wrote     {path}" for path in studies.write_again(arguments.workdir)))
            return 0
        written = [report.write_report(arguments.workdir, arguments.output)]
        if arguments.picture:
            plots.write_picture(arguments.workdir, arguments.picture)
            written.append(arguments.picture)
        print(report.terminal_summary(arguments.workdir))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"wrote     {path}" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
