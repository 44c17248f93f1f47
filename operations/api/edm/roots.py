"""What all entity types come from."""

from __future__ import annotations

from operations.api.edm import complex as parts
from operations.api.edm.kinds import GRAPH, EntityType

ENTITY = EntityType(
    name="entity",
    namespace=GRAPH,
    is_abstract=True,
    key="id",
    description="What can be addressed by a key.",
    own=(
        parts.text(
            name="id",
            description="The key, unique among its siblings; it never changes.",
            nullable=False,
        ),
    ),
)
