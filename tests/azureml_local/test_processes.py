from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from azureml_local import supervisor
from azureml_local.processes import spawn, terminate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azureml_local.processes import SupervisedProcess

PATIENCE = 10.0

# A process, its child, and its grandchild that left the session like a daemon; all write their pid.
FAMILY = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    pids = Path(sys.argv[1])
    def announce(who):
        (pids / f"{who}.tmp").write_text(str(os.getpid()))
        (pids / f"{who}.tmp").rename(pids / who)
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                announce("daemon")
                time.sleep(600)
            os._exit(0)
        announce("child")
        time.sleep(600)
    announce("main")
    time.sleep(600)
""")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def family(folder: Path) -> list[int]:
    members = [folder / who for who in ("main", "child", "daemon")]
    wait_until(lambda: all(member.exists() for member in members))
    pids = [int(member.read_text()) for member in members]
    assert all(alive(pid) for pid in pids)
    if sys.platform != "linux":
        pids.pop()  # only Linux can keep hold of a daemon
    return pids


def run(code: str, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> SupervisedProcess:
    return spawn([sys.executable, "-c", code, *arguments], cwd=folder, env=env or {}, log=folder / "log")


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_code_is_passed_through(tmp_path: Path, code: int) -> None:
    assert run(f"raise SystemExit({code})", tmp_path).wait(PATIENCE) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_fatal_signal_is_passed_through(tmp_path: Path, number: signal.Signals) -> None:
    process = run(f"import os; os.kill(os.getpid(), {number.value})", tmp_path)
    assert process.wait(PATIENCE) == -number


def test_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    process = spawn(["no-such-program"], cwd=tmp_path, env={"PATH": "/bin"}, log=tmp_path / "log")
    assert process.wait(PATIENCE) == 127
    assert "no-such-program" in (tmp_path / "log").read_text()


def test_command_sees_only_the_given_environment_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "x")
    code = "import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'), os.getcwd(), os.read(0, 1))"
    assert run(code, tmp_path, env={"GIVEN": "1"}).wait(PATIENCE) == 0
    assert (tmp_path / "log").read_text().strip() == f"['GIVEN'] {tmp_path} b''"


def test_log_is_appended_to(tmp_path: Path) -> None:
    for word in ("first", "second"):
        assert run(f"print('{word}')", tmp_path).wait(PATIENCE) == 0
    assert (tmp_path / "log").read_text().split() == ["first", "second"]


def test_terminate_reaches_every_process(tmp_path: Path) -> None:
    process = run(FAMILY, tmp_path, str(tmp_path))
    pids = family(tmp_path)
    terminate(process)
    assert process.returncode == -signal.SIGTERM
    assert not any(alive(pid) for pid in pids)


def test_terminate_lets_the_command_finish_its_own_way(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(7)); print('up', flush=True);"
        "time.sleep(600)"
    )
    process = run(code, tmp_path)
    wait_until(lambda: "up" in (tmp_path / "log").read_text())
    terminate(process)
    assert process.returncode == 7


def test_terminate_kills_what_ignores_it(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FAMILY
    process = run(code, tmp_path, str(tmp_path))
    pids = family(tmp_path)
    terminate(process, grace=0.2)
    assert process.returncode == -signal.SIGKILL
    assert not any(alive(pid) for pid in pids)


def test_what_a_finished_command_leaves_behind_is_killed(tmp_path: Path) -> None:
    code = FAMILY.rsplit("time.sleep", 1)[0] + "time.sleep(0.3)"
    process = run(code, tmp_path, str(tmp_path))
    pids = family(tmp_path)
    assert process.wait(PATIENCE) == 0
    assert not any(alive(pid) for pid in pids)


def test_killing_only_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    process = run(FAMILY.replace("os.setsid()", "pass"), tmp_path, str(tmp_path))
    pids = family(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_kill_9_of_the_parent_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text(FAMILY)
    parent_code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from azureml_local.processes import spawn
        folder = Path({str(tmp_path)!r})
        def start(*arguments):
            return spawn([sys.executable, *arguments], cwd=folder, env={{}}, log=folder / "log")
        child = start("family.py", str(folder))
        other = start("-c", "import time; time.sleep(600)")
        (folder / "supervisors").write_text(f"{{child.pid}} {{other.pid}}")
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", parent_code]) as parent:
        pids = family(tmp_path)
        wait_until((tmp_path / "supervisors").exists)
        pids += [int(pid) for pid in (tmp_path / "supervisors").read_text().split()]
        parent.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="compares with /proc")
def test_both_ways_to_list_processes_agree() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as child:
        expected = (child.pid, os.getpid(), child.pid)
        assert expected in supervisor._processes_by_proc()
        assert expected in supervisor._processes_by_ps()
        assert child.stdin is not None
        child.stdin.write(b"\n")
