"""Runs a command as the payment sandbox's merchant: reads /sandbox/sandbox.json into MAKEGOOD_ALIPAY_… variables.

What the environment says already stays: the sandbox knows itself by another address than other containers do.
"""

import json
import os
import sys
from pathlib import Path

FILE = Path(os.environ.get("SANDBOX_FILE", "/sandbox/sandbox.json"))


def main() -> None:
    """Never returns: becomes the command."""
    if len(sys.argv) < 2:
        sys.exit("with_sandbox: give the command to run")
    try:
        known: dict[str, str] = json.loads(FILE.read_text())["alipay"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"with_sandbox: {FILE} cannot be read ({error}): start the sandbox first")
    merchant = {f"MAKEGOOD_ALIPAY_{name.upper()}": value for name, value in known.items()}
    # The command is what the container was told to run.
    os.execvpe(sys.argv[1], sys.argv[1:], {**merchant, **os.environ})  # noqa: S606


if __name__ == "__main__":
    main()
