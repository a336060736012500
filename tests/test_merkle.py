"""RFC 6962 trees, against the public vectors."""

import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import merkle


def _hash(text):
    return base64.b64decode(text or "")


def _proof(case):
    return [_hash(node) for node in case["proof"] or []]


def test_empty_leaf_and_tree_have_their_published_hashes():
    # RFC 6962 reference implementations: empty leaf 6e340b9c…, empty tree e3b0c442…
    assert merkle.leaf_hash(b"").hex().startswith("6e340b9c")
    assert merkle.EMPTY_ROOT.hex().startswith("e3b0c442")


def test_every_public_inclusion_case(shared):
    cases = sorted(shared("vectors/merkle/inclusion").rglob("*.json"))
    wrong = []
    for path in cases:
        case = json.loads(path.read_text())
        held = merkle.verify_inclusion(
            _hash(case["leafHash"]), case["leafIdx"], case["treeSize"], _proof(case),
            _hash(case["root"]),
        )  # fmt: skip
        if held == case["wantErr"]:
            wrong.append(path.name)
    assert len(cases) > 90
    assert wrong == []


def test_every_public_consistency_case(shared):
    cases = sorted(shared("vectors/merkle/consistency").rglob("*.json"))
    wrong = []
    for path in cases:
        case = json.loads(path.read_text())
        held = merkle.verify_consistency(
            case["size1"], case["size2"], _proof(case), _hash(case["root1"]), _hash(case["root2"])
        )
        if held == case["wantErr"]:
            wrong.append(str(path))
    assert len(cases) > 90
    assert wrong == []


def test_every_public_subtree_inclusion_case(shared):
    # A subtree of RFC 6962 is itself such a tree, of its own leaves: the same function decides.
    cases = sorted(shared("vectors/merkle/subtreeinclusion").rglob("*.json"))
    wrong = []
    for path in cases:
        case = json.loads(path.read_text())
        held = merkle.verify_inclusion(
            _hash(case["leafHash"]), case["leafIdx"] - case["start"], case["end"] - case["start"],
            _proof(case), _hash(case["root"]),
        )  # fmt: skip
        if held == case["wantErr"]:
            wrong.append(str(path))
    assert len(cases) == 204
    assert wrong == []


def test_every_public_subtree_consistency_case_of_a_subtree_that_begins_the_tree(shared):
    # With start 0 they are consistency proofs of RFC 6962. Left out: 16 cases of subtrees within
    # the tree (start > 0), for which nothing here has a use, since all that a log shows of itself
    # are prefixes; and 2 of the empty subtree of the empty tree, which hold there but not here,
    # where a proof from size 0 shows nothing and is refused.
    cases = [
        json.loads(path.read_text())
        for path in shared("vectors/merkle/subtreeconsistency").rglob("*.json")
    ]
    left_out = [
        case for case in cases
        if case["start"] > 0 or (case["size"] == case["end"] == 0 and not case["wantErr"])
    ]  # fmt: skip
    tried = [case for case in cases if case not in left_out]
    assert (len(tried), len(left_out)) == (100, 18)
    for case in tried:
        held = merkle.verify_consistency(
            case["end"], case["size"], _proof(case), _hash(case["root1"]), _hash(case["root2"])
        )
        assert held != case["wantErr"], case


def _recursive_root(leaves):
    """The definition of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = _recursive_root(leaves[:k]), _recursive_root(leaves[k:])
    return sha256(b"\x01" + left + right).digest()


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_root_follows_the_definition(leaves):
    assert merkle.tree_root([merkle.leaf_hash(x) for x in leaves]) == _recursive_root(leaves)


@given(st.integers(1, 70), st.data())
def test_proofs_hold_and_broken_ones_do_not(size, data):
    hashes = [merkle.leaf_hash(bytes([i])) for i in range(size)]
    root = merkle.tree_root(hashes)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, hashes)
    assert merkle.verify_inclusion(hashes[index], index, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert merkle.root_before(index, size, proof) == merkle.tree_root(hashes[:index])
    first = data.draw(st.integers(1, size))
    consistency = merkle.consistency_proof(first, hashes)
    old = merkle.tree_root(hashes[:first])
    assert merkle.verify_consistency(first, size, consistency, old, root)
    if first < size:
        assert not merkle.verify_consistency(first, size, consistency, root, root)


def test_a_leaf_outside_the_tree_has_no_proof():
    with pytest.raises(IndexError, match="leaf 1 of 1"):
        merkle.inclusion_proof(1, [merkle.leaf_hash(b"")])
