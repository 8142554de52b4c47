"""Matching problems from and to files, graphs and matrices; `read(path)` reads all file formats."""

from gmssl.problem.formats.dd import read_dd, write_dd
from gmssl.problem.formats.koopmans_beckmann import from_koopmans_beckmann
from gmssl.problem.formats.lawler import from_lawler, to_lawler
from gmssl.problem.formats.networkx import (
    from_networkx,
    matched_nodes,
    stored_edge_cost,
    stored_vertex_cost,
    to_networkx,
)
from gmssl.problem.formats.qaplib import read_dat, read_qaplib, read_sln, write_dat, write_sln
from gmssl.problem.formats.reading import read
from gmssl.problem.formats.text import Instance

__all__ = [
    "Instance",
    "from_koopmans_beckmann",
    "from_lawler",
    "from_networkx",
    "matched_nodes",
    "read",
    "read_dat",
    "read_dd",
    "read_qaplib",
    "read_sln",
    "stored_edge_cost",
    "stored_vertex_cost",
    "to_lawler",
    "to_networkx",
    "write_dat",
    "write_dd",
    "write_sln",
]
