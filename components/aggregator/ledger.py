"""Entries of the ledger: no I/O and no clock.

Law: in each entry, produced = delivered + queued + dropped.
"""

from collections.abc import Sequence

import msgspec

from hubkit.journal_file import Account
from hubkit.payloads import LedgerBoot


def settle_accounts(entry: LedgerBoot, accounts: Sequence[Account]) -> LedgerBoot:
    """The account with what left the journal: the rest is queued."""
    dropped = dict(entry.dropped)
    delivered = sum(account.delivered for account in accounts)
    for reason in ("evicted", "damaged"):
        if count := sum(getattr(account, reason) for account in accounts):
            dropped[reason if reason == "damaged" else "quota"] = count
    return msgspec.structs.replace(
        entry,
        delivered=delivered,
        queued=entry.produced - delivered - sum(dropped.values()),
        dropped=dropped,
    )


def summed(entries: Sequence[LedgerBoot]) -> LedgerBoot:
    """One entry for all of them."""
    dropped: dict[str, int] = {}
    for entry in entries:
        for reason, count in entry.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return LedgerBoot(
        produced=sum(e.produced for e in entries),
        accepted=sum(e.accepted for e in entries),
        accepted_upto=sum(e.accepted_upto for e in entries),
        delivered=sum(e.delivered for e in entries),
        queued=sum(e.queued for e in entries),
        duplicates=sum(e.duplicates for e in entries),
        dropped=dropped,
    )
