"""The tables, in PostgreSQL schema ``scarpwatch``. Alembic creates them; tests compare the two.

Every geometry is EPSG:4326, lon/lat; every time is timestamptz and read back as UTC. Spatial
columns say ``spatial_index=False`` and name their GiST index themselves, so it exists once.
"""

from db.base import Base
from db.tables.around import Exclusion, ExposureFeature, ExposureMap, Withheld
from db.tables.books import (
    DECISIONS,
    WORK,
    Cost,
    ExpectedLook,
    HeldAlert,
    LookBias,
    PlatformDecision,
)
from db.tables.checked import OpticalAttempt, OpticalCheck, OpticalLease, RadarCheck
from db.tables.drawn import LandslideAttributes, LandslideMeasures, OutlineEdit, Reader
from db.tables.found import (
    Detection,
    Landslide,
    LandslideDetection,
    LandslideMark,
    LandslidePeriod,
    LandslideVersion,
    Review,
)
from db.tables.inventories import Inventory, InventoryLandslide
from db.tables.kept import Composite
from db.tables.stable import LookScores, OpticalBias
from db.tables.told import (
    DELIVERY_STATES,
    NOTICE_STATES,
    Acknowledgement,
    Alert,
    Bulletin,
    CapMessage,
    Delivery,
    Notice,
    Receipt,
    Silence,
)
from db.tables.triggers import TriggerEvent, TriggerFeed
from db.tables.watched import (
    LOOK_STATES,
    Acquisition,
    Look,
    Observability,
    PollState,
    RefusedItem,
    Region,
    RegionVersion,
)

__all__ = [
    "DECISIONS",
    "DELIVERY_STATES",
    "LOOK_STATES",
    "NOTICE_STATES",
    "WORK",
    "Acknowledgement",
    "Acquisition",
    "Alert",
    "Base",
    "Bulletin",
    "CapMessage",
    "Composite",
    "Cost",
    "Delivery",
    "Detection",
    "Exclusion",
    "ExpectedLook",
    "ExposureFeature",
    "ExposureMap",
    "HeldAlert",
    "Inventory",
    "InventoryLandslide",
    "Landslide",
    "LandslideAttributes",
    "LandslideDetection",
    "LandslideMark",
    "LandslideMeasures",
    "LandslidePeriod",
    "LandslideVersion",
    "Look",
    "LookBias",
    "LookScores",
    "Notice",
    "Observability",
    "OpticalAttempt",
    "OpticalBias",
    "OpticalCheck",
    "OpticalLease",
    "OutlineEdit",
    "PlatformDecision",
    "PollState",
    "RadarCheck",
    "Reader",
    "Receipt",
    "RefusedItem",
    "Region",
    "RegionVersion",
    "Review",
    "Silence",
    "TriggerEvent",
    "TriggerFeed",
    "Withheld",
]
