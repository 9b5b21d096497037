"""The Python packages of the peers and of the charts, in a virtualenv of their own below var/."""

import hashlib
import subprocess
import sys

from nginx.binary import PROJECT

REQUIREMENTS = PROJECT / "bench" / "requirements.txt"
VENV = PROJECT / "var" / "bench" / "venv"
PYTHON = VENV / "bin" / "python"


def ensure_venv():
    """Its Python. Installs what is missing, which takes a minute the first time."""
    stamp = VENV / ".installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        print("installing the peers' packages", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run(
            [
                PYTHON,
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
                REQUIREMENTS,
            ],
            check=True,
        )
        stamp.write_text(wanted)
    return PYTHON
