"""The audit of `make check` fails for vulnerabilities, and reports packages that it could not audit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[1] / "tools" / "audit"

KNOWN = {"name": "flask", "version": "0.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.2", "1.0"]}]}
UNMENDED = {"name": "jinja2", "version": "0.1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SOUND = {"name": "werkzeug", "version": "3.1", "vulns": []}
SKIPPED = {"name": "simplejson", "skip_reason": "not found"}


@pytest.fixture
def audit(tmp_path):
    """Return a function that runs the audit with a fake pip-audit."""

    def run(output, complaint=""):
        package = tmp_path / "pip_audit"
        package.mkdir()
        (package / "__init__.py").touch()
        code = f"import sys\nprint({output!r})\nprint({complaint!r}, file=sys.stderr)\nsys.exit(1)\n"
        (package / "__main__.py").write_text(code, encoding="utf-8")
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run([sys.executable, AUDIT], env=environ, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    return run


def pip_audit_output(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_audit_is_silent_without_known_vulnerabilities(audit):
    assert audit(pip_audit_output(SOUND)) == (0, [])


def test_audit_fails_for_a_known_vulnerability(audit):
    assert audit(pip_audit_output(SOUND, KNOWN, UNMENDED)) == (
        1,
        ["audit: flask 0.1: PYSEC-1, fixed in: 0.2, 1.0", "audit: jinja2 0.1: PYSEC-2, fixed in: none"],
    )


def test_skipped_packages_are_reported(audit):
    assert audit(pip_audit_output(SOUND, SKIPPED)) == (
        0,
        ["audit: 1 of 2 packages were not audited; the first: not found"],
    )


def test_unreachable_advisories_are_reported(audit):
    assert audit("", "first\nConnectionError: no route") == (
        0,
        ["audit: nothing was audited: ConnectionError: no route"],
    )
