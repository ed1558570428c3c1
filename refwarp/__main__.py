"""`refwarp`, and `python -m refwarp`: the command line, which an interrupt ends in order from the first moment."""

import sys

from refwarp.terminal.interrupts import take_interrupts


def main() -> None:
    """Take interrupts, and only then import what takes time."""
    try:
        take_interrupts()
        from refwarp.cli import main as run_command

        run_command()
    except KeyboardInterrupt:  # before or after the command's own care
        print("refwarp: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
