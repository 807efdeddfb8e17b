"""`python -m counter` as a whole, without etcd."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

APP = Path(__file__).parents[3] / "app"
COMMAND = [sys.executable, "-m", "counter"]
REPLICA = {
    "ETCD_ENDPOINTS": "http://127.0.0.1:1",
    "MY_POD_NAME": "pod-1",
    "MY_NODE_NAME": "node-1",
    "MY_POD_NAMESPACE": "default",
    "MY_POD_IP": "127.0.0.1",
}


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP), "PYTHONUNBUFFERED": "1"} | variables


def get(url: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_help_names_the_variables() -> None:
    result = subprocess.run([*COMMAND, "--help"], env=environment(), capture_output=True, text=True, check=True)
    assert "ETCD_ENDPOINTS" in result.stdout


def test_a_wrong_environment_is_exit_code_2_and_one_message() -> None:
    result = subprocess.run(COMMAND, env=environment(PORT="x"), capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "PORT='x'" in result.stderr
    assert "MY_POD_NAME" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_thread_that_fails_ends_the_process() -> None:
    program = """
import threading
from counter import __main__ as main

def fail():
    raise RuntimeError("for a reason")

def serve(*_):
    threading.Thread(target=fail, name="commit").start()
    threading.Event().wait()

main.serve = serve
main.main()
"""
    variables = environment(**REPLICA)
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 1
    assert "'commit' failed" in result.stdout
    assert "for a reason" in result.stdout


def test_a_replica_without_etcd_starts_and_stops(unused_ports: list[int]) -> None:
    program = """
import sys
from functools import partial
from counter import __main__ as main

main.Replica = partial(main.Replica, patience=0.3)  # for which clients wait in vain
sys.exit(main.main())
"""
    variables = environment(
        **REPLICA,
        PORT=str(unused_ports[0]),
        PEER_PORT=str(unused_ports[1]),
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            log = ""
            for line in process.stdout:
                log += line
                if "serving on port" in line:
                    break
            url = f"http://127.0.0.1:{unused_ports[0]}"
            assert get(f"{url}/static")[0] == 200
            status, answer = get(f"{url}/increment")
            assert (status, list(answer)) == (503, ["message"])
            assert get(f"{url}/healthz")[0] == 503
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)  # does not wait for clients that may still come
            log += process.stdout.read()
            assert process.wait(timeout=5) == 0
        finally:
            process.kill()
    assert log.count("etcd does not answer") == 1
    assert "Traceback" not in log
