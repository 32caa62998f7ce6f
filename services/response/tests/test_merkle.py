"""The Merkle tree of the custody ledger: the published roots, and laws of its proofs."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin_response.evidence.merkle import EMPTY, Peaks, Tree, is_consistent, is_included, leaf

# The usual test tree of Certificate Transparency.
LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

contents = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def test_the_published_roots() -> None:
    tree = Tree([leaf(content) for content in LEAVES])
    assert [tree.root(size).hex() for size in range(1, 9)] == ROOTS
    assert Tree([]).root() == EMPTY == Peaks().root


def test_the_published_proofs() -> None:
    """The inclusion of the first leaf in eight, and that six begin eight."""
    tree = Tree([leaf(content) for content in LEAVES])
    assert [each.hex()[:8] for each in tree.inclusion(0)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [each.hex()[:8] for each in tree.consistency(6, 8)] == ["0ebc5d34", "ca854ea1", "d37ee418"]


@given(contents)
def test_growing_leads_to_the_same_root(leaves: list[bytes]) -> None:
    peaks, hashes = Peaks(), [leaf(content) for content in leaves]
    for number, each in enumerate(hashes, 1):
        peaks = peaks.append(each)
        assert peaks.root == Tree(hashes).root(number)
    assert len(peaks.roots) == bin(peaks.size).count("1")


@given(contents, st.data())
def test_every_leaf_is_proven_and_nothing_else_is(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = [leaf(content) for content in leaves]
    tree, index = Tree(hashes), data.draw(st.integers(0, len(hashes) - 1))
    proof = tree.inclusion(index)
    assert is_included(hashes[index], index, tree.size, proof, tree.root())
    assert not is_included(leaf(b"another"), index, tree.size, proof, tree.root())
    assert not is_included(hashes[index], index, tree.size, [*proof, leaf(b"")], tree.root())
    assert not is_included(hashes[index], tree.size, tree.size, proof, tree.root())


@given(contents, st.data())
def test_a_beginning_is_proven_and_a_rewritten_one_is_not(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = [leaf(content) for content in leaves]
    tree, first = Tree(hashes), data.draw(st.integers(1, len(hashes)))
    proof = tree.consistency(first, tree.size)
    assert is_consistent(first, tree.root(first), tree.size, tree.root(), proof)
    rewritten = Tree([leaf(b"rewritten"), *hashes[1:]])
    if rewritten.root(first) != tree.root(first):
        assert not is_consistent(first, rewritten.root(first), tree.size, tree.root(), proof)
        assert not is_consistent(first, tree.root(first), tree.size, rewritten.root(), rewritten.consistency(first, tree.size))
