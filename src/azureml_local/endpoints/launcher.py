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
import sys

_FIRST_SYSTEMD_DESCRIPTOR = 3


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

    from azureml_inference_server_http import amlserver  # noqa: PLC0415  # only in the image

    # Should a later gunicorn ignore the socket, it must still not be reachable from outside.
    amlserver.DEFAULT_HOST = "127.0.0.1"
    amlserver.run()


if __name__ == "__main__":
    main()
