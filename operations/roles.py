"""What a person may do on the pages: viewer, operator or administrator.

Each role is a Django group (made by a migration) that holds the permissions of the roles below it
as well. A superuser is an administrator. A page or button asks for a permission, so an
organisation may also build groups of its own from the three.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _


class Role(Enum):
    """A role, and the permission that makes it. Later ones can do all that earlier ones can."""

    VIEWER = "viewer", "operations.read_pages"
    OPERATOR = "operator", "operations.operate"
    ADMINISTRATOR = "administrator", "operations.administer"

    def __init__(self, group: str, permission: str):
        self.group = group
        self.permission = permission

    @classmethod
    def of(cls, user: Any) -> Role | None:
        """The highest role that a signed-in user has, None for no role."""
        return next((role for role in reversed(cls) if user.has_perm(role.permission)), None)

    def is_held_by(self, user: Any) -> bool:
        """Whether the user has this role or a higher one."""
        held = Role.of(user)
        order = list(Role)
        return held is not None and order.index(held) >= order.index(self)

    def require(self, user: Any) -> None:
        """Raise PermissionDenied with a sentence that names the role, unless the user has it."""
        if self.is_held_by(user):
            return
        held = Role.of(user)
        needed = _("This needs the role %(role)s.") % {"role": self.group}
        has = _("Your account has no role yet.")
        if held:
            has = _("Your account has the role %(role)s.") % {"role": held.group}
        raise PermissionDenied(f"{needed} {has}")


#: Who ends operations by hand, one or many, on the pages and in the admin.
SETS_OUTCOMES = Role.ADMINISTRATOR
