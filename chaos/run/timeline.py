"""The timeline: injects each step's fault at its time, heals it at its end, and carries out the operators' acts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from chaos.errors import Stopped, TargetError
from chaos.experiment.plan import Act, Step
from chaos.model import Node
from chaos.protocols.capabilities import EXEC
from chaos.run.cancellation import in_order
from chaos.run.lifecycle import active
from chaos.run.stage import Stage
from chaos.waiting import wait_until

UP_SECONDS = 30.0  # seconds to wait for a restarted node to become healthy


async def play(stage: Stage, aside: asyncio.TaskGroup) -> bool:
    """Execute the timeline; returns whether a stop condition ended it early. Every fault is healed in both cases.

    Work that runs beside the steps, or continues after them, becomes a task of `aside`.
    """
    stopped = False
    try:
        async with asyncio.TaskGroup() as watched:
            conditions = [watched.create_task(c.watch(stage.sink)) for c in stage.participants.stop_conditions]
            steps = [_step(stage, step, aside) for step in stage.plan.steps]
            acts = [_act(stage, act) for act in stage.plan.acts]
            await in_order(*steps, *acts, stage.until(stage.plan.length))
            for condition in conditions:
                condition.cancel()
    except* Stopped:
        stopped = True
    return stopped


async def _step(stage: Stage, step: Step, aside: asyncio.TaskGroup) -> None:
    nodes = stage.of(step.nodes)
    fault, lock = stage.faults[step.id], stage.node_locks[step.id]
    if not stage.plan.no_faults:
        await stage.until(step.at - fault.ahead)
        before = stage.looked.get(step.id) or await stage.unharmed(step)
    await stage.until(step.at)
    if stage.plan.no_faults:
        stage.sink.emit("step.skipped", step.id, what=step.fault, nodes=list(step.nodes))
        return
    stage.lease.hold()
    async with active(step, fault, nodes, stage.target, stage.sink, lock, before) as active_fault:
        looking = aside.create_task(_look(stage, "during", step))
        try:
            down = await _down(stage, step, nodes)
            over = False
            for release in step.releases:
                back = stage.of(release.nodes)
                over = over or await _over(stage, step, release.t - fault.ahead)
                await active_fault.check(back)
                if not over:
                    await stage.until(release.t)
                looking.cancel()  # a check that has not finished by now would no longer see the fault's effect
                await active_fault.heal(back, release.unit)
                for node in back:
                    if node in down:
                        aside.create_task(_node_up(stage, step, node))
        finally:
            looking.cancel()
    aside.create_task(_look(stage, "after", step))


async def _look(stage: Stage, when: str, step: Step) -> None:
    stage.tell_vitals(when, step, await stage.vitals(step))


async def _over(stage: Stage, step: Step, t: float) -> bool:
    """Wait until `t`. Returns True as soon as the step's own condition has held; the whole step is then healed."""
    if (trigger := stage.participants.triggers.get(step.id)) is None:
        await stage.until(t)
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(stage.t0 + t - stage.now()):
            value = await trigger.held(stage.sink)
        stage.sink.emit("step.until", step.id, condition=trigger.spec.words, value=value)
        return True
    return False


async def _down(stage: Stage, step: Step, nodes: Sequence[Node]) -> Sequence[Node]:
    running = await asyncio.gather(*map(stage.target.running, nodes))
    down = [node for node, runs in zip(nodes, running, strict=True) if not runs]
    for node in down:
        stage.sink.emit("node.down", node.name, step=step.id)
    return down


async def _node_up(stage: Stage, step: Step, node: Node) -> None:
    """Record when a restarted node is healthy by its own health check.

    The interval grows: during a boot storm, every check takes processor time from the nodes that are starting.
    """
    with contextlib.suppress(TimeoutError, TargetError):
        async with asyncio.timeout(UP_SECONDS):  # also limits a check that hangs
            await wait_until(lambda: stage.target.healthy(node), every=0.5, slower=(1.5, 3.0))
            stage.sink.emit("node.up", node.name, step=step.id)


async def _act(stage: Stage, act: Act) -> None:
    await stage.until(act.at)
    if stage.plan.no_faults:
        stage.sink.emit("step.skipped", act.id, what=act.name, nodes=list(act.nodes))
        return
    stage.lease.hold()
    stage.sink.emit("operator.start", act.id, name=act.name, command=list(act.command), nodes=list(act.nodes))
    inside = stage.target.can.need(EXEC)
    asked = [inside.exec(stage.nodes[name], act.command) for name in act.nodes]
    answers = await asyncio.gather(*asked)
    codes = {name: code for name, (code, _) in zip(act.nodes, answers, strict=True)}
    output = {name: text[-500:] for name, (code, text) in zip(act.nodes, answers, strict=True) if code}
    stage.sink.emit("operator.done", act.id, codes=codes, output=output)
    if output:
        raise TargetError(f"{act.id}: {act.name} failed on {', '.join(output)}: {next(iter(output.values()))}")
