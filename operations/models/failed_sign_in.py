"""FailedSignIn: how often somebody failed to sign in, and how long to wait after it.

People at the sign-in page and programs at the token endpoint are counted alike, in the database, so
that any number of web processes count together. Three things are counted: an account from one
address, an address whatever the account, and an account whatever the address. The last one alone
could lock its owner out, so its wait stays short and does not hold for an address from which the
account was signed in lately.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import NamedTuple

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.crypto import salted_hmac

log = logging.getLogger("operations.sign_in")

#: Failures are forgotten after this time without another one.
WINDOW = timedelta(hours=1)
#: For how long an address is known to be the account's own.
KNOWN_FOR = timedelta(days=30)
FIRST_WAIT = 5  # seconds; each further failure doubles it
BATCH = 500


class Kind(models.TextChoices):
    PAIR = "pair"
    ADDRESS = "address"
    ACCOUNT = "account"


class Limit(NamedTuple):
    """How many failures are free, and the longest wait after a further one, in seconds."""

    free: int
    longest: int

    def wait(self, failures: int) -> int:
        further = failures - self.free
        return min(self.longest, FIRST_WAIT * 2 ** min(further, 20)) if further >= 0 else 0


#: In this order rows are locked.
LIMITS = {Kind.PAIR: Limit(5, 900), Kind.ADDRESS: Limit(50, 900), Kind.ACCOUNT: Limit(30, 30)}


class FailedSignInQuerySet(models.QuerySet["FailedSignIn"]):
    def attempt(self, account: str, address: str, *, name: str = "") -> int:
        """Count one more failure, until ``succeeded`` says that it was none.

        Counted before the password is looked at: of many that come at once no more get through than
        of as many in turn. ``name`` is what people may read of the account, empty when there is
        none. Returns 0, or the seconds to wait: then nothing is counted and nobody may look.
        """
        keys = _keys(account, address)
        now = timezone.now()
        stored = self.in_bulk(keys.values())
        if wait := _wait(stored.values(), now):
            return wait
        with transaction.atomic():
            rows = [self._count(kind, key, now) for kind, key in keys.items()]
            if wait := _wait(rows, now):
                transaction.set_rollback(True)
                return wait
            for row in rows:
                row.account = name if row.kind != Kind.ADDRESS else ""
                row.address = address if row.kind != Kind.ACCOUNT else ""
                wait = LIMITS[Kind(row.kind)].wait(row.failures)
                row.blocked_until = now + timedelta(seconds=wait) if wait else None
                row.save(update_fields=["account", "address", "blocked_until"])
        return 0

    def failed(self, account: str, address: str) -> None:
        """The attempt was one that failed: the log tells who must wait now."""
        now = timezone.now()
        for row in self.in_bulk(_keys(account, address).values()).values():
            if row.blocked_until and row.blocked_until > now:
                wait = math.ceil((row.blocked_until - now).total_seconds())
                log.warning("Held off for %s s: %s.", wait, row)

    def _count(self, kind: Kind, key: str, now: datetime) -> FailedSignIn:
        with connection.cursor() as cursor:
            moment = models.DateTimeField().get_db_prep_value(now, connection)
            old = models.DateTimeField().get_db_prep_value(now - WINDOW, connection)
            cursor.execute(_COUNT_ONE, [key, kind, moment, old])
        return self.get(pk=key)

    def succeeded(self, account: str, address: str, *, was_counted: bool = True) -> None:
        """The attempt was none that failed, and the address is one of the account's own.

        ``was_counted``: by ``attempt``, so that it is to be taken back where the failures of others
        stay.
        """
        keys = _keys(account, address)
        now = timezone.now()
        rows = self.filter(failures__gt=0)
        rows.filter(pk=keys[Kind.PAIR]).update(failures=0, blocked_until=None, succeeded_at=now)
        others = Greatest(F("failures") - 1, 0)  # those that failed for other accounts stay
        if was_counted:
            rows.filter(pk=keys[Kind.ADDRESS]).update(failures=others, blocked_until=None)
        rows.filter(pk=keys[Kind.ACCOUNT]).update(failures=0, blocked_until=None)

    def held_off(self, now: datetime) -> FailedSignInQuerySet:
        """Those who must wait now, the longest first."""
        return self.filter(blocked_until__gt=now).order_by("-blocked_until")

    def forget_old(self) -> int:
        """Delete a batch of those that count no more. Returns how many."""
        now = timezone.now()
        old = self.filter(failed_at__lte=now - WINDOW).exclude(succeeded_at__gt=now - KNOWN_FOR)
        batch = list(old.order_by("failed_at").values_list("pk", flat=True)[:BATCH])
        return self.filter(pk__in=batch).delete()[0]


class FailedSignIn(models.Model):
    """One thing that is counted. ``key`` is a keyed hash: what was typed for a name may be a
    password, and is not kept."""

    key = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=8, choices=Kind)
    account = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField()
    blocked_until = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

    objects = FailedSignInQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # nobody edits it
        ordering = ["-failed_at"]
        indexes = [
            models.Index(fields=["failed_at"], name="failed_sign_in_by_time"),
            # the check on the settings page
            models.Index(
                fields=["blocked_until"],
                name="failed_sign_in_held_off",
                condition=Q(blocked_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        who = {
            Kind.PAIR: f"{self.account or 'an unknown account'} from {self.address}",
            Kind.ADDRESS: f"everybody from {self.address}",
            Kind.ACCOUNT: f"{self.account or 'an unknown account'} from new addresses",
        }
        return f"{who[Kind(self.kind)]}, {self.failures} failures"


def _keys(account: str, address: str) -> dict[Kind, str]:
    account = account.casefold()
    place = _network(address)
    values = {Kind.PAIR: f"{place} {account}", Kind.ADDRESS: place, Kind.ACCOUNT: account}
    return {
        kind: salted_hmac(
            f"operations.sign_in.{kind}",
            values[kind],
            secret=settings.SECRET_KEY,
            algorithm="sha256",
        ).hexdigest()
        for kind in LIMITS
    }


def _network(address: str) -> str:
    """The part of an address that nobody can choose: of IPv6 everybody has 64 bits of their own."""
    plain = address.partition("%")[0]
    return str(ip_network(f"{plain}/64", strict=False)) if ":" in plain else plain


def _wait(rows: Iterable[FailedSignIn], now: datetime) -> int:
    """Seconds until all that hold off have ended."""
    by_kind = {row.kind: row for row in rows}
    pair = by_kind.get(Kind.PAIR)
    if pair and pair.succeeded_at and pair.succeeded_at > now - KNOWN_FOR:
        by_kind.pop(Kind.ACCOUNT, None)
    ends = [row.blocked_until for row in by_kind.values() if row.blocked_until]
    return max([0, *(math.ceil((end - now).total_seconds()) for end in ends)])


_COUNT_ONE = """
    INSERT INTO operations_failedsignin AS stored
        (key, kind, account, address, failures, failed_at) VALUES (%s, %s, '', '', 1, %s)
    ON CONFLICT (key) DO UPDATE SET
        failures = CASE WHEN stored.failed_at > %s THEN stored.failures + 1 ELSE 1 END,
        failed_at = excluded.failed_at
"""
