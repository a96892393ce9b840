"""``python -m azureml_local serve --home DIR --config FILE``: an instance in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from azureml_local.config import ConfigError, InstanceConfig
from azureml_local.instance import AlreadyRunningError, locked
from azureml_local.server import Server


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal, or until the parent is gone."""
    parser = argparse.ArgumentParser(prog="azureml_local", description=__doc__)
    serve = parser.add_subparsers(dest="command", required=True).add_parser("serve")
    serve.add_argument("--home", type=Path, required=True, help="folder of the instance")
    serve.add_argument("--config", type=Path, required=True, help="its configuration, JSON")
    serve.add_argument(
        "--exit-with-parent", action="store_true", help="stop when standard input reaches its end"
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        config = InstanceConfig.from_json(given.config.read_text(encoding="utf-8"), home=given.home)
        with locked(given.home):
            asyncio.run(_serve(config, exit_with_parent=given.exit_with_parent))
    except (ConfigError, AlreadyRunningError, OSError) as error:
        print(f"azureml_local: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        return 2
    return 0


async def _serve(config: InstanceConfig, *, exit_with_parent: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_with_parent:
        loop.add_reader(sys.stdin.fileno(), _drain, stop)
    server = Server(config)
    await server.start()
    try:
        await stop.wait()
    finally:
        await server.close()


def _drain(stop: asyncio.Event) -> None:
    # The parent never writes: what becomes readable is the end of the pipe.
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
