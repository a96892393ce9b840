"""Starts the Azure ML inference server on a socket that the control plane owns.

Runs in the interpreter that stands in for the deployment's image, with nothing of ours installed;
``azureml_local.endpoints.inference_server`` calls it as
``launcher.py FD [arguments of azmlinfsrv]``.

azmlinfsrv has no option for its address and listens on every interface. gunicorn below it takes
a listening socket from its parent by systemd's protocol and then opens none of its own. With the
socket in the parent's hands no other program can take the port between two starts, and requests
that arrive while a server is being replaced wait in the queue instead of being refused.
"""

from __future__ import annotations

import os
import socket
import sys

_FIRST_SYSTEMD_DESCRIPTOR = 3


class AgentConnection:
    """A connection to the collector agent that stays open.

    Frames that wait one behind the other go out together: a write and a read cost more than all
    else that is done for a frame.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._address = (host, port)
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        self._waiting: list[bytes] = []
        self._socket: socket.socket | None = None

    def add(self, body: bytes, headers: dict[str, str]) -> None:
        """Take a frame that is to be sent."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{self._head}{lines}Content-Length: {len(body)}\r\n\r\n"
        self._waiting.append(head.encode("latin-1") + body)

    def send(self) -> tuple[int, str]:
        """Send what waits; return status and text of the worst answer.

        Raises
        ------
        OSError
            The agent cannot be reached; the frames are dropped, as the library does with one.
        """
        frames, self._waiting = self._waiting, []
        try:
            try:
                return self._exchange(frames)
            except ConnectionError:
                # The connection that was kept may be closed by now: once more with a new one.
                self._close()
                return self._exchange(frames)
        except OSError:
            self._close()
            raise

    def _exchange(self, frames: list[bytes]) -> tuple[int, str]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"".join(frames))
        received, worst = b"", (0, "")
        for _ in frames:
            while (answer := _first_answer(received)) is None:
                chunk = self._socket.recv(65536)
                if not chunk:
                    raise ConnectionResetError("the agent closed the connection")
                received += chunk
            worst = max(worst, answer[:2])
            received = received[answer[2] :]
        return worst

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _first_answer(received: bytes) -> tuple[int, str, int] | None:
    """Return status, text and length of the first answer, if it is complete."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    if len(rest) < length:
        return None
    return int(head[9:12]), rest[:length].decode(), len(head) + 4 + length


def keep_agent_connections() -> None:
    """Let the ``Collector`` of azureml-ai-monitoring post over one connection instead of a new one each time.

    The library makes a new ``requests`` session for every frame: 0.8 ms of processor time, more
    than many models take. On Azure the agent has a core of its own; here it shares two with
    everything else. What is sent, and what the scoring script sees, stays the same.
    """
    try:
        from azureml.ai.monitoring.queue import get_queue  # noqa: PLC0415  # only in the image
        from azureml.ai.monitoring.worker.sender import MdcSender  # noqa: PLC0415  # only in the image
        from requests.exceptions import ConnectionError as PostError  # noqa: PLC0415  # only in the image
    except ImportError:
        return  # the image does not collect

    def post(sender, _url, payload, headers=None):  # type: ignore[no-untyped-def]
        if "connection" not in sender.__dict__:
            sender.connection = AgentConnection(sender.host, sender.port, sender.path)
        sender.connection.add(payload.encode() if isinstance(payload, str) else payload, headers or {})
        queue = get_queue()
        if queue is not None and queue.length() > 0:
            return 200, "sent with the next frame, which is already there"
        try:
            return sender.connection.send()
        except OSError as error:
            raise PostError(str(error)) from error

    MdcSender._post_request = post  # noqa: SLF001  # there is no other place to reach it


def main() -> None:
    """Hand the socket over and run the server; it answers on no other address."""
    # Python puts this file's folder first: its neighbours must not be taken for the user's modules.
    del sys.path[0]
    descriptor = int(sys.argv.pop(1))
    if descriptor != _FIRST_SYSTEMD_DESCRIPTOR:
        os.dup2(descriptor, _FIRST_SYSTEMD_DESCRIPTOR)
        os.close(descriptor)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = "1"
    if "AZUREML_MDC_CONFIG_PATH" in os.environ:
        # In the workers, where the scoring script imports the same modules anyway.
        os.register_at_fork(after_in_child=keep_agent_connections)

    from azureml_inference_server_http import amlserver  # noqa: PLC0415  # only in the image

    # Should a later gunicorn ignore the socket, it must still not be reachable from outside.
    amlserver.DEFAULT_HOST = "127.0.0.1"
    amlserver.run()


if __name__ == "__main__":
    main()
