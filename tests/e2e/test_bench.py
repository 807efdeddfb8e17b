"""A short `make bench` of the counter alone. How fast it is on a machine that does other things is not asserted."""

import json
from pathlib import Path

from bench import machine, picture, report, rounds, transactions
from bench.load import Load
from bench.rounds import Plan
from bench.targets import HEALTHZ, INCREMENT, RAW_TRANSACTION, STATIC, counter_targets
from chaos.system import System
from tests.e2e.system import names

PLAN = Plan(rounds=1, seconds=1, concurrencies=(1, 3))


def test_a_short_bench_counts_exactly_and_leaves_a_report_and_a_picture(system: System, tmp_path: Path) -> None:
    pod, *_ = names(system.ready_pods("counter"))

    def transact(_number: int) -> Load:
        return transactions.transact(system.layout, system.namespace, pod, PLAN.seconds)

    node = str(system.layout.nodes[0].address)
    measurements = rounds.measure(PLAN, counter_targets(system.port), node, transact, lambda _: None)
    made = report.make(machine.here_and_now(), PLAN, measurements, [])
    report.write(made, tmp_path / "bench.json")
    picture.draw(made, tmp_path / "bench.png")

    assert {run.target for run in measurements} == {INCREMENT, STATIC, HEALTHZ, RAW_TRANSACTION}
    assert [report.line(run) for run in measurements if run.load.failures or not run.is_exact] == []
    written = json.loads((tmp_path / "bench.json").read_text())
    assert len(written["measurements"]) == 7
    assert RAW_TRANSACTION in [ratio["comparison"]["denominator"] for ratio in written["ratios"]]
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert system.kubectl("exec", "etcd-0", "--", "etcdctl", "get", "--prefix", "bench/", "--keys-only").strip() == ""
