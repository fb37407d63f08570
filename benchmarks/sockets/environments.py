"""The environments of the peers, under ``.venvs/bench``: each has the versions that its requirements pin."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benchmarks" / "peers"
_HOME = ROOT / ".venvs" / "bench"
_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "-qq")
_OURS = ("flask", "werkzeug", "simplejson", "orjson", "httptools", "gevent", "granian")


class LeftOutError(Exception):
    """A contestant cannot take part; the message says why."""


@dataclass(frozen=True, slots=True)
class Runner:
    """How a contestant is started.

    Attributes:
        command: The command before its script.
        environ: Additional environment variables of its process.
        interpreter: The interpreter with its version.
    """

    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    interpreter: str = f"Python {sys.version.split()[0]}"


def prepare(name: str) -> Runner:
    """Build an environment if it is missing, and return its runner.

    Raises:
        LeftOutError: It cannot be built on this machine.
    """
    return _SPECIAL.get(name, prepare_venv)(name)


def prepare_venv(name: str) -> Runner:
    home = _HOME / name
    install(name, requirements_of(name), lambda: [[sys.executable, "-m", "venv", str(home)], venv_pip(home, name)])
    return Runner([str(home / "bin" / "python")])


def venv_pip(home: Path, name: str) -> list[str]:
    return [str(home / "bin" / "python"), *_PIP, "-r", str(requirements_of(name))]


def prepare_ours(_name: str) -> Runner:
    return Runner([sys.executable], {"PYTHONPATH": str(ROOT)})


def prepare_node(name: str) -> Runner:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise LeftOutError("there is no Node.js with npm")
    home = _HOME / name
    install(name, PEERS / name / "package-lock.json", lambda: [npm_ci(npm, home, name)])
    return Runner([node], {"NODE_PATH": str(home / "node_modules")}, f"Node.js {output_of([node, '--version'])}")


def npm_ci(npm: str, home: Path, name: str) -> list[str]:
    home.mkdir(parents=True)
    for file in (PEERS / name).glob("package*.json"):
        shutil.copy(file, home)
    return [npm, "ci", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)]


def prepare_python2(name: str) -> Runner:
    python = find_python2()
    home = _HOME / name
    # Python 2.7 has no venv module.
    options = ["--target", str(home), "-r", str(requirements_of(name))]
    install(name, requirements_of(name), lambda: [[python, *_PIP, *options]])
    interpreter = output_of([python, "-c", "import sys; print('Python ' + sys.version.split()[0])"])
    return Runner([python], {"PYTHONPATH": str(home)}, interpreter)


def find_python2() -> str:
    """Return a Python 2.7 with pip.

    Raises:
        LeftOutError: There is none.
    """
    roots = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    candidates = [shutil.which("python2.7"), *map(str, roots.glob("2.7.*/bin/python2.7"))]
    for candidate in filter(None, candidates):
        # A name on PATH proves nothing: version managers put shims there for versions that are not installed.
        if subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise LeftOutError("there is no Python 2.7 with pip")


_SPECIAL: dict[str, Callable[[str], Runner]] = {
    "ours": prepare_ours,
    "jayson": prepare_node,
    "old": prepare_python2,
}


def install(name: str, pins: Path, commands: Callable[[], list[list[str]]]) -> None:
    """Run the commands that install an environment, unless it has the pinned versions already.

    Raises:
        LeftOutError: A command fails.
    """
    wanted = f"{sys.version}\n{pins.read_text(encoding='utf-8')}"
    stamp = _HOME / name / ".installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"installing {name} into {stamp.parent.relative_to(ROOT)}", file=sys.stderr)
    shutil.rmtree(stamp.parent, ignore_errors=True)
    for command in commands():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LeftOutError(f"its environment could not be built: {last_line(done.stderr)}")
    stamp.write_text(wanted, encoding="utf-8")


def requirements_of(name: str) -> Path:
    return PEERS / "requirements" / f"{name}.txt"


def versions(name: str) -> dict[str, str]:
    """Return the version of each package of an environment by its name in lower case."""
    if name == "ours":
        return {package: version(package) for package in ("flaskJSONRPCServer", *_OURS) if is_installed(package)}
    if name == "jayson":
        return dict(json.loads((PEERS / name / "package.json").read_text(encoding="utf-8"))["dependencies"])
    lines = requirements_of(name).read_text(encoding="utf-8").split()
    return {package.lower(): number for package, _, number in (line.partition("==") for line in lines)}


def is_installed(package: str) -> bool:
    try:
        version(package)
    except ModuleNotFoundError:
        return False
    return True


def output_of(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]
