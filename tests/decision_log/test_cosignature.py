"""Witness cosignatures, against a checkpoint that strangers cosigned and by round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.cosignature import (
    Quorum,
    cosign,
    cosignatures,
    parse_witness,
    witness_verifier,
)
from workbench.decision_log.note import generate_signer, split_note
from workbench.errors import KeyFileError, VerificationError

# A checkpoint of a public Certificate Transparency log as four public witnesses cosigned it.
PUBLIC = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
""".encode()  # noqa: E501
PUBLIC_WITNESSES = (
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
)
NOON = 1_767_355_200


@pytest.fixture
def witness():
    return generate_signer("witness.example/w1")


def cosigned(logs, witness, size=3, time=NOON):
    note = Checkpoint(logs.signer.verifier.name, size, bytes(32)).sign(logs.signer)
    text, _ = split_note(note)
    return note + cosign(witness, text, time)


def test_public_cosignatures_verify():
    found = cosignatures(PUBLIC, [parse_witness(key) for key in PUBLIC_WITNESSES])
    assert [entry.witness for entry in found] == [key.partition("+")[0] for key in PUBLIC_WITNESSES]
    assert {entry.time for entry in found} == {0x6A122120}


@pytest.mark.parametrize("key", PUBLIC_WITNESSES)
def test_public_keys_are_spelt_as_published(key):
    assert parse_witness(key).encode() == key


def test_another_checkpoint_is_not_cosigned():
    altered = PUBLIC.replace(b"1432088532", b"1432088533")
    with pytest.raises(VerificationError, match=r"cosignature of 'remora\.n621\.de' is wrong"):
        cosignatures(altered, [parse_witness(PUBLIC_WITNESSES[2])])


@given(st.integers(0, 2**63 - 1))
def test_the_time_is_signed(time):
    witness = generate_signer("w")
    text = b"origin\n1\nroot\n"
    note = text + b"\n" + cosign(witness, text, time)
    (found,) = cosignatures(note, [witness_verifier(witness)])
    assert (found.witness, found.time) == ("w", time)
    assert "Cosigned by w" in found.sentence()


def test_a_time_beyond_63_bits_is_refused(logs, witness):
    note = cosigned(logs, witness, time=2**63)
    with pytest.raises(VerificationError, match="is wrong"):
        cosignatures(note, [witness_verifier(witness)])


def test_every_flipped_byte_of_a_cosignature_is_found(logs, witness):
    note = cosigned(logs, witness)
    line = note.rindex("—".encode())
    quorum = Quorum((witness_verifier(witness),), 1)
    assert quorum.check(note, logs.signer.verifier)
    for position in range(line, len(note)):
        altered = bytearray(note)
        altered[position] ^= 1
        with pytest.raises(VerificationError):
            quorum.check(bytes(altered), logs.signer.verifier)


def test_readers_of_a_checkpoint_ignore_cosignatures_they_do_not_know(logs, witness):
    note = cosigned(logs, witness)
    assert open_checkpoint(note, logs.signer.verifier).size == 3
    assert cosignatures(note, []) == ()
    assert cosignatures(note, [witness_verifier(generate_signer("witness.example/w1"))]) == ()


def test_a_quorum_counts_distinct_keys(logs, witness):
    note = cosigned(logs, witness) + cosigned(logs, witness).split(b"\n\n")[1].split(b"\n", 1)[1]
    one, other = witness_verifier(witness), witness_verifier(generate_signer("w2"))
    assert len(Quorum((one, other), 1).check(note, logs.signer.verifier)) == 1
    with pytest.raises(VerificationError, match=r"by 1 of 2 .*\(witness\.example/w1\).*least 2"):
        Quorum((one, other), 2).check(note, logs.signer.verifier)


def test_a_log_is_no_witness_of_itself(logs):
    own = witness_verifier(logs.signer)
    note = cosigned(logs, logs.signer)
    assert cosignatures(note, [own])
    with pytest.raises(VerificationError, match="cosigned by 0 of 0"):
        Quorum((own,), 1).check(note, logs.signer.verifier)


@pytest.mark.parametrize(
    "key",
    ["", "w", "w+00000000+", PUBLIC_WITNESSES[2].replace("da77ade7", "da77ade8"), "+1+BA=="],
)
def test_malformed_keys_are_refused(key):
    with pytest.raises(KeyFileError, match="witness key"):
        parse_witness(key)


def test_the_key_of_a_log_is_no_witness_key(logs):
    with pytest.raises(KeyFileError, match="type 4"):
        parse_witness(logs.key)
