"""Public formats: the published log byte for byte, notes, keys, paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from workbench.decision_log.note import (
    Verifier,
    generate_signer,
    open_note,
    parse_signer,
    parse_verifier,
)
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.tiles import (
    bundle_path,
    decode_bundle,
    encode_bundle,
    parse_path,
    tile_path,
    widths,
)
from workbench.decision_log.writer import LogWriter
from workbench.errors import KeyFileError, VerificationError

WORDS = (
    "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
).split()
# The example of c2sp.org/signed-note
QUASIMODO = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501


def published_key(shared, beginning):
    readme = (shared("vectors") / "README.md").read_text()
    return next(w.strip("`.;") for w in readme.split() if w.strip("`").startswith(beginning))


def test_the_public_log_is_reproduced_byte_for_byte(shared, tmp_path):
    published = shared("vectors/tlog_tiles_log")
    storage = FolderStorage(tmp_path)
    writer = LogWriter(storage, parse_signer(published_key(shared, "PRIVATE+KEY")))
    with writer.held():
        assert writer.recover().size == 0
    assert (tmp_path / "checkpoint").read_bytes() == (published / "checkpoint.0").read_bytes()
    for size, word in enumerate(WORDS, start=1):
        with writer.held():
            writer.extend([word.encode()])
        written = (tmp_path / "checkpoint").read_bytes()
        assert written == (published / f"checkpoint.{size}").read_bytes()
    files = sorted(path.relative_to(published) for path in (published / "tile").rglob("*/*/*"))
    assert len(files) == 30
    assert files == sorted(p.relative_to(tmp_path) for p in (tmp_path / "tile").rglob("*/*/*"))
    assert all((published / f).read_bytes() == (tmp_path / f).read_bytes() for f in files)


def test_published_checkpoints_open_with_the_published_key(shared):
    folder = shared("vectors/tlog_tiles_log")
    verifier = parse_verifier(published_key(shared, "example.com/log/testdata+"))
    assert verifier.key_id.hex() == "33d7b496"
    sizes = {open_checkpoint(p.read_bytes(), verifier).size for p in folder.glob("checkpoint.*")}
    assert sizes == set(range(16))


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),  # examples of c2sp.org/tlog-tiles
    [
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (0, 273, 112, "tile/0/273.p/112"),
        (2, 0, 1, "tile/2/000.p/1"),
        (None, 1234067, 256, "tile/entries/x001/x234/067"),
        (None, 0, 15, "tile/entries/000.p/15"),
    ],
)
def test_paths_of_tiles_and_bundles(level, index, width, path):
    made = bundle_path(index, width) if level is None else tile_path(level, index, width)
    assert made == path
    parsed = parse_path(path)
    assert (parsed.level, parsed.index, parsed.width) == (level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint", "tile/0", "tile/0/0", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256",
        "tile/0/000.p/01", "tile/0/x000/001", "tile/0/001/000", "tile/entries/000.p/", "tile/0/٣٣٣",
        "other/0/000", "tile/0/000/", "tile/-1/000", "/tile/0/000", "tile/entries/000.p/5/6",
    ],
)  # fmt: skip
def test_other_spellings_are_no_paths(path):
    assert parse_path(path) is None


def test_widths_of_the_standards_example():
    # c2sp.org/tlog-tiles: 70,000 entries
    assert widths(70_000) == [(273, 112), (1, 17), (0, 1)]
    assert widths(256) == [(1, 0), (0, 1)]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_holds_its_entries(entries):
    assert decode_bundle(encode_bundle(entries), "here") == entries


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01ab"])
def test_a_bundle_cut_short_is_refused(data):
    with pytest.raises(VerificationError, match="ends within entry"):
        decode_bundle(data, "here")


def test_the_note_of_the_standard_is_split_at_its_last_empty_line():
    name, known = "quasimodo.example/salvatore", generate_signer("known")
    note = QUASIMODO.encode()
    text = note.rpartition("\n— ".encode())[0]
    signature = known.sign(text).decode().rpartition("\n\n")[2]
    opened, signed = open_note(note + signature.encode(), [known.verifier])
    assert opened.decode().endswith("sera.\n")
    assert [verifier.name for verifier in signed] == ["known"]
    wrong = Verifier(name, bytes(32))
    with pytest.raises(VerificationError, match="not signed by any trusted key"):
        open_note(note, [wrong])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\n"])
def test_names_that_notes_cannot_hold_are_refused(name):
    with pytest.raises(KeyFileError, match="key name"):
        generate_signer(name)


def _note():
    signer = generate_signer("example.com/log")
    return signer, Checkpoint("example.com/log", 0, bytes(32)).sign(signer).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda n: n[:-1],
        lambda n: n.replace("\n\n", "\n"),
        lambda n: n.replace("— ", "- "),
        lambda n: n + "\n",
        lambda n: n.replace("log\n0", "log\t0"),
        lambda n: n.replace("— example.com/log ", "— example.com/log  "),
        lambda n: n[:-2] + " \n",
        lambda n: n + "— other AAAA\n",
        lambda n: "",
    ],
)
def test_malformed_notes_are_refused(change):
    signer, note = _note()
    with pytest.raises(VerificationError, match="note:"):
        open_note(change(note).encode(), [signer.verifier])


def test_signatures_of_unknown_keys_are_ignored():
    signer, note = _note()
    other = generate_signer("witness").sign(b"anything\n").decode().rpartition("\n\n")[2]
    _, signed = open_note((note + other).encode(), [signer.verifier])
    assert signed == [signer.verifier]


def test_a_note_without_utf_8_is_refused():
    signer, note = _note()
    with pytest.raises(VerificationError, match="not UTF-8"):
        open_note(note.encode() + b"\xff", [signer.verifier])


@pytest.mark.parametrize(
    "text", ["a\n1\n", "a\n-1\nAA==\n", "a\n01\n" + "A" * 43 + "=\n", "\n1\nAAAA\n", "a\n1\n!\n"]
)
def test_malformed_checkpoints_are_refused(text):
    with pytest.raises(VerificationError, match="checkpoint:"):
        parse_checkpoint(text.encode())


@pytest.mark.parametrize("text", ["", "a+b", "name+00000000+AQID", "n+1+A+A"])
def test_malformed_verifier_keys_are_refused(text):
    with pytest.raises(KeyFileError, match="verifier key"):
        parse_verifier(text)


def test_a_verifier_key_with_another_id_is_refused():
    key = generate_signer("example.com/log").verifier.encode().split("+", 2)
    with pytest.raises(KeyFileError, match="its id does not fit"):
        parse_verifier("+".join([key[0], "00000000", key[2]]))


def test_keys_survive_their_text_form():
    signer = generate_signer("example.com/log")
    assert parse_signer(signer.encode()).verifier == signer.verifier
    assert parse_verifier(signer.verifier.encode()) == signer.verifier
    assert signer.encode().split("+")[-1] not in repr(signer)
