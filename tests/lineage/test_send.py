"""Forwarding to a real HTTP server on this machine that behaves as badly as servers do."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workbench.errors import ConfigError, LineageError
from workbench.lineage.consumer import Consumer
from workbench.lineage.journal import Journal
from workbench.lineage.send import Cursor, send

OK = (201, {}, b"")


class Receiver:
    """Answers request n with `answers[n]`, then 201; keeps what it accepted, told by its key."""

    def __init__(self):
        self.answers, self.requests, self.kept = [], [], {}
        self.auth, self.delay = [], 0.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._take(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/lineage"
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def _take(self, handler):
        event = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.auth.append(handler.headers.get("Authorization"))
        status, headers, body = self.answers.pop(0) if self.answers else OK
        time.sleep(self.delay)
        if status == "hang":
            time.sleep(3)
            return
        if status == "drop":
            handler.close_connection = True
            return
        self.requests.append(event["number"])
        if status < 300 or status == 409:
            self.kept.setdefault(handler.headers["Idempotency-Key"], event["number"])
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def numbers(self):
        return list(self.kept.values())


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def filled(tmp_path):
    journal = Journal(tmp_path / "lineage", file_bytes=400)  # several files
    for number in range(20):
        journal.append({"number": number, "run": {"runId": f"r{number}"}})
    assert len(journal.files()) > 1
    return journal


def forward(journal, url, folder, **options):
    consumer = Consumer(url, patience=0.3)
    return send(journal, consumer, Cursor(folder / "cursors", consumer.url), **options)


def test_every_event_is_sent_once_in_order_and_then_only_new_ones(filled, receiver, tmp_path):
    assert forward(filled, receiver.url, tmp_path).events == 20
    assert receiver.requests == list(range(20))
    assert forward(filled, receiver.url, tmp_path).events == 0
    filled.append({"number": 20})
    assert forward(filled, receiver.url, tmp_path).events == 1
    assert receiver.requests == list(range(21))


def test_the_bytes_of_the_journal_are_what_is_sent(filled, receiver, tmp_path):
    filled.append({"number": 20, "text": "Größe — 3 €"})
    forward(filled, receiver.url, tmp_path)
    assert receiver.numbers() == list(range(21))


@pytest.mark.parametrize("bad", [500, 503, 429, 408, "hang", "drop"])
def test_a_consumer_that_fails_for_a_while_gets_everything_in_the_end(
    filled, receiver, tmp_path, bad
):
    receiver.answers = [OK, (bad, {}, b""), (bad, {}, b""), OK, (bad, {}, b"")]
    assert forward(filled, receiver.url, tmp_path, patience=10).events == 20
    assert receiver.numbers() == list(range(20))


def test_a_slow_consumer_gets_everything(filled, receiver, tmp_path):
    receiver.delay = 0.02
    assert forward(filled, receiver.url, tmp_path).events == 20


def test_what_the_consumer_has_already_counts_as_sent(filled, receiver, tmp_path):
    receiver.answers = [(409, {}, b"known")] * 3
    sent = forward(filled, receiver.url, tmp_path)
    assert (sent.events, sent.known, sent.refused) == (20, 3, [])


def test_a_consumer_that_stays_away_is_named_and_the_next_call_goes_on(filled, receiver, tmp_path):
    receiver.answers = [OK] * 7 + [(500, {}, b"")] * 100
    with pytest.raises(LineageError, match=r"answered 500 .*7 events were sent, no event is lost"):
        forward(filled, receiver.url, tmp_path, patience=0.1)
    receiver.answers = []
    assert forward(filled, receiver.url, tmp_path).events == 13
    assert receiver.numbers() == list(range(20))


def test_nobody_at_the_address_is_named(filled, tmp_path):
    with pytest.raises(LineageError, match=r"no answer \(ConnectionError\).*0 events were sent"):
        forward(filled, "http://127.0.0.1:9/x", tmp_path, patience=0.1)


def test_an_event_that_is_refused_is_reported_and_the_others_are_sent(filled, receiver, tmp_path):
    receiver.answers = [OK, (422, {}, b"bad\x1b[31m event\n" * 100)]
    sent = forward(filled, receiver.url, tmp_path)
    assert (sent.events, len(sent.refused)) == (19, 1)
    refusal = sent.refused[0]
    assert (refusal.place.endswith(":2"), refusal.status) == (True, 422)
    assert refusal.said.startswith("bad [31m event bad")
    assert len(refusal.said) <= 300


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404])
def test_a_wrong_address_or_key_stops_at_once(filled, receiver, tmp_path, status):
    receiver.answers = [OK, (status, {"Location": "http://127.0.0.1:9/"}, b"")]
    with pytest.raises(LineageError, match=f"answered {status}; expected an address that takes"):
        forward(filled, receiver.url, tmp_path)
    assert forward(filled, receiver.url, tmp_path).events == 19


def test_a_consumer_is_asked_again_when_it_says(filled, receiver, tmp_path):
    receiver.answers = [(503, {"Retry-After": "1"}, b"")]
    begun = time.monotonic()
    forward(filled, receiver.url, tmp_path, patience=5)
    assert time.monotonic() - begun >= 1.0
    receiver.answers = [(503, {"Retry-After": "3600"}, b"")]
    filled.append({"number": 20})
    with pytest.raises(LineageError, match="answered 503"):
        forward(filled, receiver.url, tmp_path, patience=5)


def test_two_senders_do_not_send_anything_twice(filled, receiver, tmp_path):
    threads = [
        threading.Thread(target=forward, args=(filled, receiver.url, tmp_path)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receiver.requests) == list(range(20))


KILLED = """
import sys
from pathlib import Path
from workbench.lineage.consumer import Consumer
from workbench.lineage.journal import Journal
from workbench.lineage.send import Cursor, send
consumer = Consumer(sys.argv[2])
send(Journal(Path(sys.argv[1])), consumer, Cursor(Path(sys.argv[3]), consumer.url))
"""


def test_a_killed_sender_loses_nothing_and_repeats_only_what_the_consumer_can_tell(
    filled, receiver, tmp_path
):
    receiver.delay = 0.05
    arguments = [str(filled.folder), receiver.url, str(tmp_path / "cursors")]
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments])
        seen = len(receiver.requests)
        while len(receiver.requests) < seen + 5:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    receiver.delay = 0.0
    forward(filled, receiver.url, tmp_path)
    assert receiver.numbers() == list(range(20))
    assert set(receiver.requests) == set(range(20))


def test_each_consumer_has_its_own_cursor(filled, receiver, tmp_path):
    forward(filled, receiver.url, tmp_path)
    other = Receiver()
    assert forward(filled, other.url, tmp_path).events == 20
    other.server.shutdown()
    other.server.server_close()


def test_a_damaged_cursor_and_a_missing_file_are_named(filled, receiver, tmp_path):
    forward(filled, receiver.url, tmp_path)
    cursor = Cursor(tmp_path / "cursors", receiver.url)
    position = cursor.read()
    (filled.folder / position.file).rename(tmp_path / "away")
    with pytest.raises(LineageError, match=f"{position.file}: gone"):
        forward(filled, receiver.url, tmp_path)
    cursor.path.write_text("{}")
    with pytest.raises(LineageError, match="expected a cursor, delete it to send every event"):
        forward(filled, receiver.url, tmp_path)


@pytest.mark.parametrize(
    "url", ["", "ftp://h/x", "http://", "http://u:p@h/", "http://h/?key=1", "http://h:x/", "h"]
)
def test_malformed_addresses_are_refused(url):
    with pytest.raises(ConfigError, match="expected"):
        Consumer(url)


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        Consumer("https://user:hunter2@example.com/")
    assert "hunter2" not in str(caught.value)


def test_the_key_goes_only_where_nobody_can_listen(filled, receiver, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="would travel unencrypted"):
        Consumer("http://lineage.example.com/", "secret")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    forward(filled, receiver.url, tmp_path)
    assert set(receiver.auth) == {None}
    consumer = Consumer(receiver.url, "secret")
    filled.append({"number": 20})
    send(filled, consumer, Cursor(tmp_path / "cursors", consumer.url))
    assert receiver.auth[-1] == "Bearer secret"


def test_the_usual_path_is_added_to_a_bare_address():
    assert Consumer("https://h.example:5000/").url == "https://h.example:5000/api/v1/lineage"
    assert Consumer("https://h.example/openapi/openlineage/api/v1/lineage").url.startswith(
        "https://h.example/openapi/"
    )


def test_appending_is_not_held_up_by_a_consumer_that_hangs(filled, receiver, tmp_path):
    receiver.answers = [("hang", {}, b"")] * 50

    def wait_in_vain():
        with pytest.raises(LineageError, match="no answer"):
            forward(filled, receiver.url, tmp_path, patience=2)

    thread = threading.Thread(target=wait_in_vain)
    thread.start()
    time.sleep(0.2)
    for number in itertools.islice(itertools.count(20), 30):
        filled.append({"number": number})
    assert thread.is_alive()  # every event was written while the sender still waited
    thread.join()
