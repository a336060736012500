"""A witness over HTTP (c2sp.org/tlog-witness)."""

from typing import Final

from workbench.decision_log.serving import Binding, LogServer, Reply, Request, text_reply
from workbench.decision_log.witness import SUBMIT, Witness

_MOST_REQUEST: Final = 65_536


def witness_server(witness: Witness, binding: Binding) -> LogServer:
    """A server of a witness's one request.

    Raises:
        LogError: The address or the certificate cannot be used.
    """

    def handle(request: Request) -> Reply:
        if request.path != SUBMIT:
            return text_reply(404, f"Not found; a witness answers {SUBMIT}.")
        if request.method != "POST":
            return text_reply(405, "Expected POST.", Allow="POST")
        told = witness.add_checkpoint(request.body)
        headers = {"Content-Type": told.content_type, "Cache-Control": "no-store"}
        return Reply(told.status, told.body, headers)

    return LogServer(handle, binding, most_bytes=_MOST_REQUEST)
