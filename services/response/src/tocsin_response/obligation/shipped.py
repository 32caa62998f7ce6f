"""The regimes that ship with Tocsin: data in files, one for each, to be checked by a lawyer before anybody relies on them."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import yaml
from google.protobuf import json_format
from tocsin.response.v1.obligation_pb2 import Regime


@cache
def shipped() -> Mapping[str, Regime]:
    """By name."""
    folder = files("tocsin_response.obligation") / "regimes"
    found = (yaml.safe_load(each.read_text()) for each in folder.iterdir() if each.name.endswith(".yaml"))
    regimes = [json_format.ParseDict(plain, Regime()) for plain in found]
    return {regime.name: regime for regime in sorted(regimes, key=lambda regime: regime.name)}


def in_force(own: Iterable[Regime]) -> dict[str, Regime]:
    """Those that ship and one's own, by name. One's own without duties switches one that ships off or on; with duties it replaces it."""
    known = dict(shipped())
    for regime in own:
        if regime.duties or regime.name not in known:
            known[regime.name] = regime
        else:
            switched = Regime()
            switched.CopyFrom(known[regime.name])
            switched.disabled = regime.disabled
            known[regime.name] = switched
    return dict(sorted(known.items()))
