"""SealedTextField: a text that the database holds encrypted, so that a backup does not tell it."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

#: How what Fernet makes begins: its version in base64. A PEM, as it was kept before, does not.
_SEALED = "gAAAA"


class SealedTextField(models.TextField):
    """Encrypted by SECRET_KEY, opened by that or one of SECRET_KEY_FALLBACKS.

    What none of them opens is read as an empty text.
    """

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return _fernet().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        if not value or not value.startswith(_SEALED):
            return value
        try:
            return _fernet().decrypt(value.encode()).decode()
        except InvalidToken:
            return ""


def _fernet() -> MultiFernet:
    return _fernet_of(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _fernet_of(*keys: str) -> MultiFernet:
    def derived(key: str) -> Fernet:
        kdf = HKDF(SHA256(), length=32, salt=None, info=b"connectors-admin: sealed text")
        return Fernet(base64.urlsafe_b64encode(kdf.derive(key.encode())))

    return MultiFernet([derived(key) for key in keys])
