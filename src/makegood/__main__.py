"""`python -m makegood` is the command `makegood`."""

from makegood.cli import main

main()
