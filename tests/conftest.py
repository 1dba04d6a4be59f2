"""What all rings share."""

import os

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which tests were skipped where none may be."""
    if os.environ.get("JHAWS_NO_SKIP") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("JHAWS_NO_SKIP is set, so skipped tests fail this run.", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which something was skipped that `.ci/run` installs the means for."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("JHAWS_NO_SKIP") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
