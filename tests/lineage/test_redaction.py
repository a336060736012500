"""Secrets stay out of events."""

import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest

from workbench.lineage.lifecycle import RunLineage
from workbench.lineage.redaction import (
    REDACTED,
    Redactor,
    is_secret_name,
    redacted,
    redacted_text,
)

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
# Made up; assembled so that no scanner takes this file for a leak.
CANARY = "hunter" + "2canary"
FORMED = [
    f"postgresql://planner:{CANARY}@db:5432/erp",
    f"PRIVATE+KEY+workbench/shop+33d7b496+{CANARY}",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    f"Authorization: Bearer {CANARY}{CANARY}",
    f"Server=db;Password={CANARY};Database=erp",
    f'{{"client_secret": "{CANARY}"}}',
    "gh" + "p_" + CANARY + "0" * 30,
    "ey" + f"J{CANARY}.{CANARY}.{CANARY}",
    f"https://store/blob?sv=1&sig={CANARY}",
    f"postgresql://planner:{CANARY}@with-sign@db/erp",
    f'api_token: str = "{CANARY}"',
    f"db_password: str | None = '{CANARY} with blanks'",
]


@pytest.mark.parametrize("text", FORMED)
def test_what_has_the_form_of_a_secret_is_redacted(text):
    assert CANARY not in redacted_text(f"could not open {text} today")
    assert REDACTED in redacted_text(text)


@pytest.mark.parametrize(
    "name",
    "password db_password dbPassword PGPASSWORD api_key apiKey API-KEY token accessToken auth"
    " client_secret private_key connection_string smtp_pass signingKey".split(),
)
def test_secret_names_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    "author key sort_key passes pass_rate authority horizon_days tokenise secretary keyboard"
    " compass bypass".split(),
)
def test_harmless_names_are_kept(name):
    assert not is_secret_name(name)


def test_harmless_values_are_kept():
    harmless = {
        "horizon": 28,
        "folder": "/data/in",
        "digest": "ab" * 32,
        "windows_days": [9, 10, 14, 21],
        "url": "https://host:8080/path?x=1",
        "mail": "planner@example.org",
    }
    assert redacted(harmless) == {
        "horizon": "28",
        "folder": "/data/in",
        "digest": "ab" * 32,
        "windows_days": "[9, 10, 14, 21]",
        "url": "https://host:8080/path?x=1",
        "mail": "planner@example.org",
    }


def test_what_tells_nothing_is_kept_and_blots_nothing_out():
    values = {"use_token": True, "password": None, "api_key": "", "note": "None is True"}
    assert redacted(values) == {
        "use_token": "true",
        "password": "null",
        "api_key": "",
        "note": "None is True",
    }


@pytest.mark.parametrize("text", FORMED)
def test_redacting_twice_changes_nothing(text):
    assert redacted_text(redacted_text(text)) == redacted_text(text)


def test_sentence_about_a_parameter_and_an_empty_default_stay_readable():
    sentence = "parameter 'api_token': unknown; expected one of periods, api_token."
    assert redacted_text(sentence) == sentence
    assert redacted_text('api_token: str = ""') == 'api_token: str = ""'


@pytest.mark.parametrize("write", [repr, json.dumps, quote, quote_plus, html.escape, ascii])
def test_known_secret_is_found_however_it_is_written(write):
    value = CANARY + "/é &'\"\\ <\n"
    text = Redactor({"api_key": value}).text(f"refused {write(value)} here")
    assert CANARY not in text
    assert text.endswith(" here")


def test_password_of_an_address_is_known_wherever_it_is_repeated():
    redactor = Redactor({"source": f"mysql://planner:{CANARY}@db/erp", "note": f"pwd={CANARY}9"})
    assert CANARY not in redactor.text(f"access denied with {CANARY} and {CANARY}9")


def test_long_text_without_blanks_takes_linear_time():
    began = time.monotonic()
    redacted_text("token" + "a" * 2_000_000)
    assert time.monotonic() - began < 5


def test_secrets_planted_anywhere_in_a_run_never_reach_the_journal(journal):
    planted = {
        "db_password": f"{CANARY}-1",
        "source": {"kind": "erp", "credentials": {"user": "ann", "key": f"{CANARY}-2"}},
        "targets": [{"api_key": f"{CANARY}-3 with 'quotes' and \\ slash"}],
        "note": f"same as {CANARY}-1",
        **{f"free_{number}": text for number, text in enumerate(FORMED)},
    }
    for ending in ("fail", "abort"):
        run = RunLineage(
            journal,
            workspace_id="shop",
            job="x",
            run_id=RUN[:-1] + ("b" if ending == "fail" else "c"),
        )
        run.start(parameters=planted)
        error = KeyError(planted["targets"][0]["api_key"])
        if ending == "fail":
            run.fail(f"login with {CANARY}-2 refused: {error}", f"Traceback\n  {planted!r}")
        else:
            run.abort(f"stopped at {FORMED[0]} with {CANARY}-2")
    text = b"".join(path.read_bytes() for path in journal.files()).decode()
    assert CANARY not in text
    assert text.count(REDACTED) > 20
    assert "login with" in text
