"""Nodes in processes of their own, whose model says the same words each time.

python -m tests.nodes.node DATABASE_URL REDIS_URL SOCKET…

It loads the service once, and then does what it reads: `start N` forks the node that serves the
N-th socket and answers with its process, `wait N` answers with how that ended.
"""

import asyncio
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from datetime import timedelta

from chatbot import serving
from chatbot.answering import answers, recovery
from chatbot.app import Service
from chatbot.realtime.nodes import node
from chatbot.realtime.presence import attending, roster
from chatbot.settings import Settings
from tests import live
from tests.answering.script import Script

WORDS = [f"word{n} " for n in range(25)]
WHOLE = "".join(WORDS)
PAUSE_S = 0.05


def hurry() -> None:
    """What takes a second in the product takes a fifth."""
    answers.CHECKPOINT_S, answers.SWEEP_S, node.WATCH_EVERY_S = 0.2, 0.3, 0.2
    roster.BEAT_S, roster.SILENT_S = 0.5, 2.5
    attending.DEFAULT = attending.Timing(0.5, lasts_s=2.5, sweep_s=0.2, grace_s=0.2)


def lose_patience() -> None:
    """Believe after a second that a process is dead. Not before a test needs it: a busy machine may
    let one wait for seconds.
    """
    recovery.HEARTBEAT_TIMEOUT = timedelta(seconds=1)  # pyright: ignore[reportConstantRedefinition]


async def run(database_url: str, redis_url: str, descriptor: int) -> None:
    hurry()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lose_patience)
    listener = socket.socket(fileno=descriptor)
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_keys=(live.KEY,),
        public_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        limits=live.ROOMY,
    )
    service = Service(settings, model=Script(*WORDS, pause_s=PAUSE_S), run_jobs=False)
    await serving.serve([(service.asgi, listener)], crowd=service.realtime)


def start(database_url: str, redis_url: str, descriptor: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the answers go where its log would
    try:
        asyncio.run(run(database_url, redis_url, descriptor))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def obey(database_url: str, redis_url: str, *descriptors: str) -> None:
    pids: dict[int, int] = {}
    for line in sys.stdin:
        verb, number = line.split()
        which = int(number)
        if verb == "start":
            pids[which] = start(database_url, redis_url, int(descriptors[which]))
            print(pids[which], flush=True)
        else:
            _, status = os.waitpid(pids.pop(which), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
    for pid in pids.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    obey(*sys.argv[1:])
