"""Mistakes in what carries the services: commits, outbox, inbox, tasks, ids, broker, host."""

from tests.simulation.mutations.mutation import MANY, RARE, Mutation, Patch

EXECUTION, OUTBOX, TASKS = "engine/execution.py", "engine/outbox.py", "engine/tasks.py"
INBOX, CONSUMER, HOST = "engine/inbox.py", "engine/consumer.py", "engine/host.py"
CURSOR = "engine/broker/embedded_cursor.py"

MUTATIONS = (
    Mutation(
        "publish-before-commit",
        "Messages are handed to the relay before their commit.",
        (
            Patch(
                EXECUTION,
                "stored.append(departure.store(tx))",
                "stored.append(departure.store(tx))\n                departure.committed(stored[-1])",
            ),
            Patch(
                EXECUTION,
                "            departure.committed(what)\n        return answers",
                "            del what\n        return answers",
            ),
        ),
    ),
    Mutation(
        "commit-failed-is-done",
        "A batch whose commit failed leaves its messages to the relay all the same.",
        (Patch(EXECUTION, "departure.abandoned(what)", "departure.committed(what)"),),
    ),
    Mutation(
        "no-rollback",
        "What failed in a transaction is committed as far as it got.",
        (Patch("engine/database/sqlite.py", 'connection.execute("ROLLBACK")', 'connection.execute("COMMIT")'),),
    ),
    Mutation(
        "outbox-row-deleted-at-commit",
        "An outbox row is to be deleted from its commit on, not from its publishing on.",
        (
            Patch(
                OUTBOX,
                "self.relay(stored.rows)",
                "self.relay(stored.rows)\n        self._published.extend(row.message_id for row in stored.rows)",
            ),
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "unanswered-publish-is-done",
        "When the broker does not answer, messages count as published.",
        (
            Patch(
                OUTBOX,
                "        except ValueError as error:\n",
                "        except BrokerUnavailable:\n            pass\n        except ValueError as error:\n",
            ),
        ),
    ),
    Mutation(
        "rows-of-the-dead-left",
        "Nobody publishes the outbox rows of a process that died.",
        (Patch("engine/runtime.py", 'outbox=bool(reader.due(tables.outbox, "due_at", now, 1)),', "outbox=False,"),),
    ),
    Mutation(
        "acknowledged-before-taken",
        "A consumer acknowledges messages before they have taken effect.",
        (
            Patch(
                CONSUMER,
                "await self._take(deliveries)\n                    await subscription.acknowledge(deliveries)",
                "await subscription.acknowledge(deliveries)\n                    await self._take(deliveries)",
            ),
        ),
    ),
    Mutation(
        "failed-take-is-acknowledged",
        "When its database fails a consumer acknowledges what it could not take.",
        (
            Patch(
                CONSUMER,
                '                failures += 1\n                log.warning("%s: messages cannot',
                "                failures += 1\n                return None\n"
                '                log.warning("%s: messages cannot',
            ),
        ),
    ),
    Mutation(
        "inbox-skipped",
        "Events that come again take effect again.",
        (Patch(INBOX, "arrivals if self.spec.idempotent else self._unheard(tx, arrivals)", "arrivals"),),
    ),
    Mutation(
        "inbox-key-without-topic",
        "The inbox takes the events of two services for the same when their ids are.",
        (
            Patch(
                INBOX,
                "keyed = {(self.group, arrival.topic, arrival.event_id): arrival for arrival in arrivals}\n"
                "        known = tx.select",
                'keyed = {(self.group, "", arrival.event_id): arrival for arrival in arrivals}\n'
                "        known = tx.select",
            ),
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "inbox-in-another-commit",
        "The inbox remembers an event in a commit before the one in which it takes effect.",
        (
            Patch(
                INBOX,
                "answers = await self._run(listening, listening.hear, arrivals, traced)",
                "fresh = [] if listening.spec.idempotent else await self._execution.run_one("
                "lambda tx, many: [listening._unheard(tx, one) for one in many], arrivals)\n"
                "        arrivals = arrivals if listening.spec.idempotent else list(fresh)\n"
                "        answers = await self._run(listening, listening.hear, arrivals, traced)",
            ),
            Patch(INBOX, "arrivals if self.spec.idempotent else self._unheard(tx, arrivals)", "arrivals"),
        ),
    ),
    Mutation(
        "set-aside-not-written",
        "An event whose listener fails is not set aside.",
        (Patch(INBOX, "await self._set_aside(arrival, answer, buried=False)", "pass"),),
    ),
    Mutation(
        "task-deleted-before-recorded",
        "The row of a task is deleted when its work begins, not when its outcome is recorded.",
        (
            Patch(
                TASKS,
                "tx.update(self._table, [*leased, *given_up])",
                "tx.update(self._table, given_up)\n"
                "        tx.delete(self._table, [(row.kind, row.task_key) for row in leased])",
            ),
            Patch(
                TASKS,
                "held = tx.lock(self._table, [(one.row.kind, one.row.task_key) for one in ended])",
                "held = {(one.row.kind, one.row.task_key): one.row for one in ended}",
            ),
            Patch(
                TASKS,
                "tx.delete(self._table, gone)\n        tx.update(self._table, kept)",
                "again = tx.lock(self._table, [(row.kind, row.task_key) for row in kept])\n"
                "        tx.insert(self._table, [row for row in kept if (row.kind, row.task_key) not in again])",
            ),
        ),
    ),
    Mutation(
        "task-outcome-in-another-commit",
        "The row of a task is deleted in a commit before the one that records its outcome.",
        (
            Patch(
                TASKS,
                "            await self._ends.submit(ended, Deadline.after(LEASE))\n        except",
                "            assert self._execution is not None\n"
                "            await self._execution.run_one(self._remove, ended)\n"
                "            await self._ends.submit(ended, Deadline.after(LEASE))\n        except",
            ),
            Patch(
                TASKS,
                "    async def _outcome(",
                "    def _remove(self, tx: Any, many: Sequence[_Ended]) -> list[None]:\n"
                "        held = tx.lock(self._table, [(one.row.kind, one.row.task_key) for one in many])\n"
                "        tx.delete(self._table, held)\n"
                "        return [None for _ in many]\n\n"
                "    async def _outcome(",
            ),
            Patch(
                TASKS,
                "held = tx.lock(self._table, [(one.row.kind, one.row.task_key) for one in ended])\n        ours",
                "held = {(one.row.kind, one.row.task_key): one.row for one in ended}\n        ours",
            ),
            Patch(
                TASKS,
                "tx.delete(self._table, gone)\n        tx.update(self._table, kept)",
                "again = tx.lock(self._table, [(row.kind, row.task_key) for row in kept])\n"
                "        tx.insert(self._table, [row for row in kept if (row.kind, row.task_key) not in again])",
            ),
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "task-lease-never-ends",
        "The task of a process that died stays leased for ever.",
        (Patch(TASKS, 'self._life, tx.now + int(LEASE * 1000), "WAITING"', 'self._life, None, "WAITING"'),),
    ),
    Mutation(
        "task-again-lost",
        "A task that is asked for while it runs is not run again.",
        (Patch(TASKS, 'row.state = "AGAIN"  # the run', "pass  # the run"),),
        survives="the run under way or the next sweep does the same work; tests of tasks hold it",
    ),
    Mutation(
        "task-later-forgotten",
        "A task that is to run later is put off for good.",
        (
            Patch(
                TASKS,
                "elif verdict is not None:\n                kept.append(_again(tx, row, verdict))\n",
                "elif verdict is not None:\n                gone.append((row.kind, row.task_key))\n",
            ),
        ),
    ),
    Mutation(
        "ids-without-process",
        "The ids of two processes of one service are drawn from the same numbers.",
        (Patch("engine/database/ids.py", " | (self.number << _COUNTER_BITS) | self._counter", " | self._counter"),),
        survives="two processes hardly ever mint in the same step of their clocks; tests of ids hold it",
    ),
    Mutation(
        "process-number-shared",
        "A process leases a number that another one holds, and does not look again.",
        (
            Patch(
                "engine/lease.py",
                "return row is None or self._alone or row.owner == self._owner or row.leased_until < now",
                "return True",
            ),
            Patch("engine/lease.py", "if row is None or row.owner != self._owner:", "if row is None:"),
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "mark-before-acknowledgement",
        "The broker's mark passes messages that were handed out and not acknowledged.",
        (Patch(CURSOR, "            self._unmarked[seq] = None\n", ""),),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "mark-without-exceptions",
        "The broker's mark passes an unacknowledged message when a later one is acknowledged.",
        (Patch(CURSOR, "self._changes[seq] = (0, 0)  # should", "pass  # should"),),
        scale=2.0,
    ),
    Mutation(
        "deferral-not-written",
        "A message that is put off is forgotten when the broker dies.",
        (
            Patch(
                CURSOR,
                "        self._settle(seq)\n        self._exceptions.add(seq)\n"
                "        self._changes[seq] = (not_before, attempt)",
                "        self._settle(seq)",
            ),
        ),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "groups-not-declared",
        "Messages are published though not all consumer groups are known to the broker.",
        (Patch(HOST, "await self.broker.declare(self._groups)", "pass"),),
        seeds=RARE,
        scale=MANY,
    ),
    Mutation(
        "only-own-listeners",
        "A process publishes only what services of its own listen to.",
        (
            Patch(
                HOST,
                "[type(service) for service in services] if audience is None else audience",
                "[type(service) for service in services]",
            ),
        ),
    ),
    Mutation(
        "consumer-does-not-join-again",
        "A consumer whose broker went away never subscribes again.",
        (
            Patch(
                CONSUMER,
                "await asyncio.sleep(backoff(self._world, self._failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))",
                "return",
            ),
        ),
    ),
)
