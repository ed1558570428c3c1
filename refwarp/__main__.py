"""`python -m refwarp`: the same as the command `refwarp`."""

from refwarp.cli import main

if __name__ == "__main__":
    main()
