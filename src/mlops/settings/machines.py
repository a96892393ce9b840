"""Machine sizes and regions as data: what a rule about quota, zones or price has to know.

Sources: Azure's virtual machine size pages and its list of regions with availability zones, as of
November 2026. A size or region that is missing here is refused; add it with its facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MACHINES", "REGIONS", "Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine size."""

    cores: int
    family: str
    gpus: int = 0


MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "Standard_DS2_v2": Machine(2, "DSv2"),
        "Standard_DS3_v2": Machine(4, "DSv2"),
        "Standard_DS4_v2": Machine(8, "DSv2"),
        "Standard_D2s_v3": Machine(2, "DSv3"),
        "Standard_D4s_v3": Machine(4, "DSv3"),
        "Standard_E2s_v3": Machine(2, "ESv3"),
        "Standard_E4s_v3": Machine(4, "ESv3"),
        "Standard_E8s_v3": Machine(8, "ESv3"),
        "Standard_F2s_v2": Machine(2, "FSv2"),
        "Standard_F4s_v2": Machine(4, "FSv2"),
        "Standard_NC4as_T4_v3": Machine(4, "NCASv3_T4", gpus=1),
        "Standard_NC8as_T4_v3": Machine(8, "NCASv3_T4", gpus=1),
        "Standard_NC24ads_A100_v4": Machine(24, "NCADS_A100_v4", gpus=1),
    }
)

_ZONED = (
    "australiaeast austriaeast belgiumcentral brazilsouth canadacentral centralindia centralus chilecentral "
    "eastasia eastus eastus2 francecentral germanywestcentral indonesiacentral israelcentral italynorth "
    "japaneast japanwest koreacentral malaysiawest mexicocentral newzealandnorth northeurope norwayeast "
    "polandcentral qatarcentral southafricanorth southcentralus southeastasia spaincentral swedencentral "
    "switzerlandnorth uaenorth uksouth westeurope westus2 westus3"
)
_UNZONED = (
    "australiacentral australiasoutheast brazilsoutheast canadaeast francesouth germanynorth jioindiawest "
    "koreasouth northcentralus norwaywest southafricawest southindia swedensouth switzerlandwest uaecentral "
    "ukwest westcentralus westindia westus"
)

REGIONS: Mapping[str, bool] = MappingProxyType(
    {**dict.fromkeys(_ZONED.split(), True), **dict.fromkeys(_UNZONED.split(), False)}
)
"""Each public region, and whether it has availability zones."""
