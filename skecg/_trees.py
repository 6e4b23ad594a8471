"""The decision trees of a forest as plain arrays, and back after a check of every node.

scikit-learn follows the numbers of a tree without looking: a child, a feature or a size that is
wrong makes it read outside its memory, or walk in a circle.
"""

import numpy as np
from sklearn.tree._tree import Tree

from ._files import ModelFileError

_DTYPES = {
    "left_child": np.int64,
    "right_child": np.int64,
    "feature": np.int64,
    "threshold": np.float64,
    "impurity": np.float64,
    "n_node_samples": np.int64,
    "weighted_n_node_samples": np.float64,
    "missing_go_to_left": np.uint8,
}
_LEAF, _UNDEFINED = -1, -2  # as in sklearn.tree
_DEEPEST = 10_000  # levels; a forest on 100,000 rows has some 50


def trees_to_arrays(trees):
    """Return trees as arrays, one a field, with the nodes of all trees one after the other.

    Parameters
    ----------
    trees : list of sklearn.tree._tree.Tree
        Trees of one output over the same features and classes.

    Returns
    -------
    dict of str to ndarray
        ``n_nodes`` of shape (n_trees,), ``values`` of shape (n_nodes, n_classes), and the fields
        of a node, each of shape (n_nodes,).
    """
    nodes = np.concatenate([tree.__getstate__()["nodes"] for tree in trees])
    if set(nodes.dtype.names) != set(_DTYPES):
        raise ModelFileError(
            f"Trees of this scikit-learn have the fields {list(nodes.dtype.names)}, which this "
            "skecg does not know. Install a scikit-learn that it was tested with."
        )
    if any(tree.n_outputs != 1 for tree in trees):
        raise ModelFileError("Trees of more than one output cannot be saved.")
    arrays = {name: np.ascontiguousarray(nodes[name]) for name in _DTYPES}
    arrays["n_nodes"] = np.array([tree.node_count for tree in trees], dtype=np.int64)
    arrays["values"] = np.concatenate([tree.value[:, 0] for tree in trees])
    return arrays


def trees_from_arrays(arrays, n_features, n_classes):
    """Return the trees of :func:`trees_to_arrays`, after a check of every node.

    Parameters
    ----------
    arrays : dict of str to ndarray
        As :func:`trees_to_arrays` returns them.
    n_features, n_classes : int
        What the trees are over.

    Returns
    -------
    list of sklearn.tree._tree.Tree

    Raises
    ------
    ModelFileError
        If these are not trees.
    """
    _require(set(arrays) == {*_DTYPES, "n_nodes", "values"}, "fields are missing or unknown")
    n_nodes = arrays["n_nodes"]
    _require(n_nodes.ndim == 1 and n_nodes.dtype == np.int64, "numbers of nodes are no list")
    total = len(arrays["values"])
    # Not one is negative or over the total, so that their sum cannot wrap around.
    _require(len(n_nodes) and ((n_nodes > 0) & (n_nodes <= total)).all(), "a tree has no nodes")
    _require(len(n_nodes) <= total and n_nodes.sum() == total, "nodes are missing")
    _require(arrays["values"].dtype == np.float64, "values are not float64")
    _require(arrays["values"].shape == (total, n_classes), "values are not of these classes")
    for name, dtype in _DTYPES.items():
        good = arrays[name].shape == (total,) and arrays[name].dtype == dtype
        _require(good, f"{name} has another shape or type")
    starts = np.concatenate([[0], np.cumsum(n_nodes)[:-1]])
    _check_links(arrays, n_nodes, starts)
    depths = _depths(arrays, starts, np.repeat(np.arange(len(n_nodes)), n_nodes))
    _check_content(arrays, n_features)
    return [
        _build({name: arrays[name][start : start + n] for name in (*_DTYPES, "values")}, *shape)
        for start, n, *shape in zip(
            starts,
            n_nodes,
            depths,
            np.full(len(n_nodes), n_features),
            np.full(len(n_nodes), n_classes),
            strict=True,
        )
    ]


def _require(good, what):
    if not good:
        raise ModelFileError(f"its trees are damaged: {what}.")


def _check_links(arrays, n_nodes, starts):
    """Check that every node but the root is the child of one node with a smaller number."""
    left, right = arrays["left_child"], arrays["right_child"]
    leaf = left == _LEAF
    _require((leaf == (right == _LEAF)).all(), "a node has one child")
    sizes, offsets = np.repeat(n_nodes, n_nodes), np.repeat(starts, n_nodes)
    own = np.arange(len(left)) - offsets
    seen = np.zeros(len(left), dtype=bool)
    n_children = 0
    for child in (left, right):
        inside = leaf | ((child > own) & (child < sizes))
        _require(inside.all(), "a child is not in its tree or comes before its parent")
        children = (offsets + child)[~leaf]
        seen[children] = True
        n_children += len(children)
    # As many links as nodes that are reached: none twice.
    _require(seen.sum() == n_children == len(left) - len(n_nodes), "a node has not one parent")


def _depths(arrays, starts, tree):
    """Return the depth of each tree, level by level."""
    left, right = arrays["left_child"], arrays["right_child"]
    depths = np.zeros(len(starts), dtype=np.int64)
    level = starts
    for depth in range(_DEEPEST + 1):
        depths[tree[level]] = depth
        level = level[left[level] != _LEAF]
        if not len(level):
            return depths
        offsets = starts[tree[level]]
        level = np.concatenate([offsets + left[level], offsets + right[level]])
    raise ModelFileError(f"its trees are damaged: one is deeper than {_DEEPEST} levels.")


def _check_content(arrays, n_features):
    leaf = arrays["left_child"] == _LEAF
    feature = arrays["feature"]
    inside = (feature >= 0) & (feature < n_features)
    _require((inside | leaf).all(), "a feature is not among those of the model")
    _require((feature[leaf] == _UNDEFINED).all(), "a leaf asks for a feature")
    _require((arrays["missing_go_to_left"] <= 1).all(), "missing_go_to_left is neither 0 nor 1")
    for name in ("threshold", "impurity", "weighted_n_node_samples", "values"):
        _require(np.isfinite(arrays[name]).all(), f"{name} holds NaN or infinity")
    _require((arrays["n_node_samples"] > 0).all(), "a node has no samples")
    _require((arrays["weighted_n_node_samples"] >= 0).all(), "a node has a negative weight")
    values = arrays["values"]
    _require((values >= 0).all(), "a share of a class is negative")
    _require(np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-6), "shares do not sum to 1")


def _build(arrays, depth, n_features, n_classes):
    tree = Tree(int(n_features), np.array([n_classes], dtype=np.intp), 1)
    empty = tree.__getstate__()["nodes"]  # in this scikit-learn's layout
    nodes = np.zeros(len(arrays["values"]), dtype=empty.dtype)
    for name in _DTYPES:
        nodes[name] = arrays[name]
    values = np.ascontiguousarray(arrays["values"][:, np.newaxis])
    state = {"max_depth": int(depth), "node_count": len(nodes), "nodes": nodes, "values": values}
    tree.__setstate__(state)
    return tree
