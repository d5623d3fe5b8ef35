"""The choices that the command line spells out, so that `--help` stays light, are those of the modules that define them."""

from __future__ import annotations

from trtzoo import cli
from trtzoo.contract.choices import BACKENDS, FAMILIES, LAYOUTS
from trtzoo.graph_passes.nms import SURVIVORS


def test_layouts_backends_and_families_are_those_of_their_modules():
    assert (cli.LAYOUTS, cli.BACKENDS, cli.FAMILIES) == (LAYOUTS, BACKENDS, FAMILIES)


def test_every_route_can_be_asked_for():
    assert set(cli.ROUTES) == {"auto", "efficient", *SURVIVORS}
