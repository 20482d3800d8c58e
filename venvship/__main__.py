"""`python -m venvship`."""

from venvship.cli import main

if __name__ == "__main__":
    main()
